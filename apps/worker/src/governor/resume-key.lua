-- The upstream key works again.
-- KEYS: upstream key hash. ARGV: channel, key name. Returns 1 when it was paused.
if redis.call('HEXISTS', KEYS[1], 'paused') == 0 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], 'resumed ' .. ARGV[2])
return 1
