-- Opens an ended job again for its calls without images: a new run.
-- KEYS: job hash
-- ARGV: calls, life ms, first look ms
-- Returns {'gone'} · {'open'} it has not ended · {'whole'} nothing is missing · {'retried', run, call numbers…}
local job = KEYS[1]
local facts = redis.call('HMGET', job, 'id', 'status', 'left', 'run')
if not facts[1] then return { 'gone' } end
if tonumber(facts[3]) > 0 then return { 'open' } end
if facts[2] == 'completed' then return { 'whole' } end
local now, again = now_ms(), {}
for k = 0, ARGV[1] - 1 do
  local call = read_call(job, k)
  if call.outcome ~= 'succeeded' then
    write_call(job, k, { attempts = call.attempts, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = '' })
    again[#again + 1] = k
  end
end
redis.call('HSET', job, 'status', 'queued', 'run', facts[4] + 1, 'left', #again, 'withheld', '', 'expiresAt', now + ARGV[2])
redis.call('HDEL', job, 'finishedAt', 'cancelAt')
redis.call('PERSIST', job)
redis.call('ZADD', root .. ':open-jobs', now + math.min(ARGV[2], ARGV[3]), facts[1])
emit(job, 'job.queued')
return { 'retried', facts[4] + 1, unpack(again) }
