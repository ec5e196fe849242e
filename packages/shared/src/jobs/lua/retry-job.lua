-- Opens an ended job again for its calls without images: a new run.
-- KEYS: job hash, lane's books
-- ARGV: images of each call JSON, life ms, first look ms, 1 = its batch runs it again,
--       lane, priority, most open calls of the lane, of the account in it (0 = any number)
-- Returns {'gone'} · {'open'} it has not ended · {'whole'} nothing is missing ·
--         {'full', 'lane'|'account', open calls of the lane, of the account} ·
--         {'retried', run, base, call number and tag of each call to make again…}
local function step()
  local batch = batch_key()
  local is_batch_over = batch and redis.call('HEXISTS', batch, 'ended') == 1
  if state.left > 0 or (batch and not is_batch_over and ARGV[4] ~= '1') then return { 'open' } end
  if state.status == 'completed' then return { 'whole' } end
  local calls, again, images = {}, {}, {}
  for i, count in ipairs(cjson.decode(ARGV[1])) do
    local call = read_call(i - 1)
    if call.outcome ~= 'succeeded' then
      calls[#calls + 1], again[#again + 1], images[#images + 1] = call, i - 1, count
    end
  end
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
    if is_batch_over then redis.call('HINCRBY', batch, state.images > 0 and 'completed' or 'failed', -1) end
  end
  redis.call('ZADD', root .. ':open-jobs', now + math.min(ARGV[2], ARGV[3]), state.id)
  emit('job.queued')
  local tags, last = plan_places(line, images)
  open_places(line, #tags, last, line.in_lane == 0 and now or nil)
  local reply = { 'retried', state.run, line.base }
  for i, k in ipairs(again) do
    reply[#reply + 1], reply[#reply + 2] = k, tags[i]
  end
  return reply
end
return run(step, { 'gone' })
