-- Puts a batch that has not ended back on the list from which workers take batches to run.
-- KEYS: open batches, batch hash. ARGV: batch id
-- Returns 1 when it was missing there, else 0.
local facts = redis.call('HMGET', KEYS[2], 'status', 'ended', 'createdAt')
if not facts[1] or facts[2] then return 0 end
return redis.call('ZADD', KEYS[1], 'NX', facts[3], ARGV[1])
