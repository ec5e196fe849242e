-- Opens an ended job again for its calls without images: a new run.
-- KEYS: job hash, lane's books, idempotency key, unanswered submissions
-- ARGV: images of each call JSON, life ms, first look ms, 1 = its batch runs it again,
--       lane, priority, most open calls of the lane, of the account in it (0 = any number), run it is known to be in,
--       fingerprint ('' = no idempotency key), idempotency life ms, asker ('' = nobody may join), 1 = it repeats an earlier request
-- Returns {'gone'} · {'open'} it has not ended, or its batch no longer runs it · {'whole'} nothing is missing ·
--         {'exists'|'conflict'} the idempotency key was used before, for this or for something else · {'joined'} its earlier try has opened it ·
--         {'full', 'lane'|'account', open calls of the lane, of the account} ·
--         {'retried', run, base, call number and tag of each call to make again…}: none when this very step had opened it before
local function step()
  local known = find_by_key(KEYS[3], ARGV[10])
  if known then return { known[1] } end
  if ARGV[13] == '1' and join_unanswered(KEYS[4], ARGV[12]) then return { 'joined' } end
  -- The same step twice: a connection that breaks leaves open whether it was done.
  if is_asking(KEYS[4], state.id, ARGV[12]) then return { 'retried', state.run, 0 } end
  local batch = batch_key()
  local is_over = is_batch_over()
  local is_due = state.left == 0 and state.run == tonumber(ARGV[9])
  if ARGV[4] == '1' then is_due = is_due and batch and redis.call('HGET', batch, 'status') == 'in_progress'
  else is_due = is_due and is_over end
  if not is_due then return { 'open' } end
  if state.status == 'completed' then return { 'whole' } end
  local calls, again, images = {}, {}, {}
  for i, count in ipairs(cjson.decode(ARGV[1])) do
    local call = read_call(i - 1)
    if call.outcome ~= 'succeeded' then
      calls[#calls + 1], again[#again + 1], images[#images + 1] = call, i - 1, count
    end
  end
  if #again == 0 then return { 'whole' } end -- no call would ever end the job
  local line = read_line(KEYS[2], state.account, state.batch ~= nil, ARGV[6])
  local full = find_full(line, #again, tonumber(ARGV[7]), tonumber(ARGV[8]))
  if full then return { 'full', unpack(full) } end
  for i, call in ipairs(calls) do
    write_call(again[i], { attempts = call.attempts, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = '',
      spooled = call.spooled })
  end
  local now = now_ms()
  state.status, state.run, state.left, state.expiresAt = 'queued', state.run + 1, #again, now + ARGV[2]
  state.withheld, state.finishedAt, state.cancelAt = nil, nil, nil
  state.lane = ARGV[5]
  redis.call('PERSIST', job)
  if batch then
    redis.call('SADD', batch .. ':open', state.id)
    -- A batch that is open again counts its lines anew; one that has ended takes back the line it had counted.
    if is_over then redis.call('HINCRBY', batch, state.images > 0 and 'completed' or 'failed', -1) end
  end
  redis.call('ZADD', root .. ':open-jobs', now + math.min(ARGV[2], ARGV[3]), state.id)
  emit('job.queued')
  remember_key(KEYS[3], ARGV[10], state.id, ARGV[11])
  if ARGV[12] ~= '' then add_unanswered(KEYS[4], state.id, now, ARGV[12]) end
  local tags, last = plan_places(line, images)
  open_places(line, #tags, last, line.in_lane == 0 and now or nil)
  local reply = { 'retried', state.run, line.base }
  for i, k in ipairs(again) do
    reply[#reply + 1], reply[#reply + 2] = k, tags[i]
  end
  return reply
end
return run(step, { 'gone' })
