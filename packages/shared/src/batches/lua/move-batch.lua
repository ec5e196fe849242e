-- Moves a batch from one status to the next, if it is still in the first and in the same run; sets fields in the same step.
-- KEYS: batch hash. ARGV: from, run, to, retention ms, then field, value ('' = none) …
-- Returns 1, or 0 when the batch was in another status or run.
local facts = redis.call('HMGET', KEYS[1], 'status', 'run')
if facts[1] ~= ARGV[1] or facts[2] ~= ARGV[2] then return 0 end
for i = 5, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
move(KEYS[1], ARGV[3], tonumber(ARGV[4]))
return 1
