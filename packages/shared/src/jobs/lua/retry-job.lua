-- Opens an ended job again for its calls without images: a new run.
-- KEYS: job hash
-- ARGV: calls, life ms, first look ms, 1 = its batch runs it again
-- Returns {'gone'} · {'open'} it has not ended · {'whole'} nothing is missing · {'retried', run, call numbers…}
local function step()
  local batch = batch_key()
  local is_batch_over = batch and redis.call('HEXISTS', batch, 'ended') == 1
  if state.left > 0 or (batch and not is_batch_over and ARGV[4] ~= '1') then return { 'open' } end
  if state.status == 'completed' then return { 'whole' } end
  local now, again = now_ms(), {}
  for k = 0, ARGV[1] - 1 do
    local call = read_call(k)
    if call.outcome ~= 'succeeded' then
      write_call(k, { attempts = call.attempts, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = '' })
      again[#again + 1] = k
    end
  end
  state.status, state.run, state.left, state.expiresAt = 'queued', state.run + 1, #again, now + ARGV[2]
  state.withheld, state.finishedAt, state.cancelAt = nil, nil, nil
  redis.call('PERSIST', job)
  if batch then
    redis.call('SADD', batch .. ':open', state.id)
    -- A batch that is open again counts its lines anew; one that has ended takes back the line it had counted.
    if is_batch_over then redis.call('HINCRBY', batch, state.images > 0 and 'completed' or 'failed', -1) end
  end
  redis.call('ZADD', root .. ':open-jobs', now + math.min(ARGV[2], ARGV[3]), state.id)
  emit('job.queued')
  return { 'retried', state.run, unpack(again) }
end
return run(step, { 'gone' })
