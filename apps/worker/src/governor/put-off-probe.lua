-- The probe of a paused key got no answer that tells of the key: the next comes after as long again, without doubling.
-- KEYS: upstream key hash. Returns 1, or 0 when the key is not paused.
local backoff = tonumber(redis.call('HGET', KEYS[1], 'backoff') or 0)
if backoff == 0 then return 0 end
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'probeAt', t[1] * 1000 + math.floor(t[2] / 1000) + backoff)
return 1
