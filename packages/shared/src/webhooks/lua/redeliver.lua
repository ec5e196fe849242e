-- Sends an event again, whatever became of it: its schedule starts anew, at once. One that is being tried just now is
-- tried again if that fails. A resting host is tried without waiting for the end of its rest.
-- KEYS: delivery hash. ARGV: event id, account
-- Returns 1, or 0 when the account has no such delivery.
local facts = redis.call('HMGET', KEYS[1], 'host', 'account')
if not facts[1] or facts[2] ~= ARGV[2] then return 0 end
local now = now_ms()
local receiver, waiting, queued = lists_of(facts[1])
redis.call('HSET', KEYS[1], 'state', 'pending', 'failures', 0)
if redis.call('ZSCORE', queued, ARGV[1]) then
  redis.call('HSET', KEYS[1], 'again', '1')
else
  redis.call('ZADD', waiting, now, ARGV[1])
  redis.call('HSET', KEYS[1], 'nextAt', now)
end
redis.call('HDEL', receiver, 'restUntil')
redis.call('ZADD', root .. ':receivers', now, facts[1])
return 1
