-- The upstream key works again: the lanes that rested because of it go on.
-- KEYS: upstream key hash, then the lanes' rests in BullMQ. ARGV: channel, key name. Returns 1 when it was paused.
-- The rests are gone when the channel says so, so that who is woken by it finds none.
if redis.call('HEXISTS', KEYS[1], 'paused') == 0 then return 0 end
redis.call('HDEL', KEYS[1], 'paused', 'pausedAt', 'probeAt', 'probingUntil', 'backoff')
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'resumedAt', t[1] * 1000 + math.floor(t[2] / 1000))
for i = 2, #KEYS do redis.call('DEL', KEYS[i]) end
redis.call('PUBLISH', ARGV[1], 'resumed ' .. ARGV[2])
return 1
