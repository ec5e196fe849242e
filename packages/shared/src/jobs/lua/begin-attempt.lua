-- The paying gate: the last step before a request goes out. Nothing is sent unless this answers 'go'.
-- KEYS: job hash, the queue item's lock, the upstream key's hash, the host's spool room, then every bucket of the permit
-- ARGV: call k, lock token, on_unknown ('retry'|'fail'), retention ms, epoch sum of the permit, may pass a pause (1|0),
--       attempt row JSON (without at, outcome), tag of the queue item, this process in the spool room
-- Returns {'go', seq, failed, moderated, unknown before, ms the lock holds if nobody renews it} · {'gone'} no such job · {'done'} the call has its outcome · {'withheld'} cancelled or expired ·
--         {'lost'} the item is another worker's now · {'stale'} a limit stopped or changed: take a new permit ·
--         {'spooled'} an earlier attempt's answer waits for storage · {'unknown'} an earlier attempt may have been paid and
--         must not be repeated · {'no-room'} this process holds no room for the answer any more
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
