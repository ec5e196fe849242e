-- Moves a batch from one status to the next, if it is still in the first; sets fields in the same step.
-- KEYS: batch hash. ARGV: from, to, retention ms, then field, value …
-- Returns 1, or 0 when the batch was in another status.
if redis.call('HGET', KEYS[1], 'status') ~= ARGV[1] then return 0 end
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
move(KEYS[1], ARGV[2], tonumber(ARGV[3]))
return 1
