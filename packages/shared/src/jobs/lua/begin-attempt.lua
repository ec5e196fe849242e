-- The paying gate: the last step before a request goes out. Nothing is sent unless this answers 'go'.
-- KEYS: job hash, the queue item's lock, the upstream key's hash, the host's spool room, then every bucket of the permit
-- ARGV: call k, lock token, on_unknown ('retry'|'fail'), retention ms, epoch sum of the permit, may pass a pause (1|0),
--       attempt row JSON (without at, outcome), tag of the queue item, this process in the spool room,
--       JSON of what the call takes of each bucket: {burst, share by meter} in ms, as its permit says
-- Returns {'go', seq, failed, moderated, unknown before, ms the lock holds if nobody renews it} · {'gone'} no such job · {'done'} the call has its outcome · {'withheld'} cancelled or expired ·
--         {'lost'} the item is another worker's now · {'stale'} a limit stopped, too much was sent just now, or an image has come late: look anew ·
--         {'spooled'} an earlier attempt's answer waits for storage · {'unknown'} an earlier attempt may have been paid and
--         must not be repeated · {'no-room'} this process holds no room for the answer any more
-- A permit says when its call may start, not when it does. Where Redis or a worker stood still all that is overdue comes at once,
-- and the buckets have been refilled meanwhile, so that as much again may start beside it. So what is sent is held to the
-- limits here once more, by when it is sent: no more at once than the bucket's size, and what requests are late by anyway
-- (UNEVEN_MS of lanes/burst.ts). Calls that are all late by the same pass as if they were in time.
--   sent.<meter>   of a bucket: when all that was sent will have been refilled
local UNEVEN_MS = 250
-- No call takes more of a limit than what it lets through in a minute.
local LARGEST_SHARE_MS = 60000

-- Notes in the buckets that the call goes out now. False when one of them has no room: nothing is noted then, but that the
-- bucket, from which permits are taken, is no less empty than what was sent left it, also when this call's permit is given back:
-- so that the next one is for when there is room.
local function send_under_limits(now)
  local changes, has_room = {}, true
  for i, take in ipairs(cjson.decode(ARGV[10])) do
    for meter, share in pairs(take.share) do
      local fields = redis.call('HMGET', KEYS[i + 4], 'sent.' .. meter, 'tat.' .. meter)
      local sent, tat = tonumber(fields[1] or 0), tonumber(fields[2] or 0)
      -- The clock was set back.
      if sent > now + math.max(take.burst, LARGEST_SHARE_MS) + UNEVEN_MS then sent = 0 end
      local after = math.max(sent, now) + share
      local fits = after - now <= math.max(take.burst, share) + UNEVEN_MS
      has_room = has_room and fits
      changes[#changes + 1] = { key = KEYS[i + 4], meter = meter, sent = sent, after = after, tat = tat }
    end
  end
  for _, change in ipairs(changes) do
    local meter, after, tat = change.meter, change.after, change.tat
    if has_room then
      redis.call('HSET', change.key, 'sent.' .. meter, string.format('%.3f', after))
      -- A little behind is no matter, and what is given back would not be found any more.
      if after - tat > UNEVEN_MS then redis.call('HSET', change.key, 'tat.' .. meter, string.format('%.3f', after)) end
    elseif tat < after then
      -- Neither where a permit left it, nor with slack: nothing is given back of it (bucket.lua).
      redis.call('HSET', change.key, 'tat.' .. meter, string.format('%.3f', math.max(tat, change.sent) + 0.001),
        'slack.' .. meter, 0, 'slackBefore.' .. meter, 0)
    end
  end
  return has_room
end

local function step()
  local k = ARGV[1]
  local call = read_call(k)
  local row = cjson.decode(ARGV[7])
  -- An item of an earlier run has nothing to do any more: the newer run has its own.
  if call.outcome ~= '' or row.run ~= state.run then return { 'done' } end
  if redis.call('GET', KEYS[2]) ~= ARGV[2] then return { 'lost' } end

  if is_spooled(call) then return { 'spooled' } end
  if call.open ~= 0 then
    -- The same gate again: the connection broke before its answer came, and the client sent it once more.
    if row.permit and read_attempt(k, call.open).permit == row.permit then
      return { 'go', call.attempts, call.failed, call.moderated, call.unknown, redis.call('PTTL', KEYS[2]) }
    end
    close_as_unknown(k, call)
    write_call(k, call)
  end
  local ended = end_unrepeatable(k, call, ARGV[3])
  if ended then
    settle(tonumber(ARGV[4]))
    return { ended }
  end

  for _, index in ipairs(row.images) do
    if redis.call('HEXISTS', job, 'image:' .. index) == 1 then return { 'stale' } end
  end
  if ARGV[6] ~= '1' and redis.call('HGET', KEYS[3], 'paused') then return { 'stale' } end
  local epoch, stopped_until = 0, 0
  for i = 5, #KEYS do
    local bucket = redis.call('HMGET', KEYS[i], 'epoch', 'notBefore')
    epoch, stopped_until = epoch + tonumber(bucket[1] or 0), math.max(stopped_until, tonumber(bucket[2] or 0))
  end
  if epoch ~= tonumber(ARGV[5]) then return { 'stale' } end

  local now = now_ms()
  local room_until = string.match(redis.call('HGET', KEYS[4], ARGV[9]) or '', ' (%d+)$')
  if not room_until or tonumber(room_until) <= now then return { 'no-room' } end
  if not send_under_limits(now) then return { 'stale' } end

  row.at = now
  row.outcome = cjson.null
  call.attempts = call.attempts + 1
  call.open = call.attempts
  write_attempt(k, call.attempts, row)
  write_call(k, call)
  state.underWay = state.underWay + 1
  if state.lane then note_started(root .. ':lane:' .. state.lane, tonumber(ARGV[8]), #row.images, now, stopped_until) end
  if state.status == 'queued' then
    state.status = 'in_progress'
    state.startedAt = state.startedAt or row.at
    emit('job.in_progress')
  end
  return { 'go', call.attempts, call.failed, call.moderated, call.unknown, redis.call('PTTL', KEYS[2]) }
end
return run(step, { 'gone' })
