-- The upstream key can't be used: it stops for all workers. The first probe comes after 30 s, then twice as late each time.
-- KEYS: upstream key hash. ARGV: error JSON, first backoff ms, longest backoff ms, 1 = the probe failed, channel, key name,
--       when the refused call might start, ms
-- Returns ms until the next probe; 0: the key was resumed after the call might start, and the refusal says nothing of it now.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local resumed_at = tonumber(redis.call('HGET', KEYS[1], 'resumedAt') or 0)
if tonumber(ARGV[7]) < resumed_at and resumed_at <= now then return 0 end
local backoff = tonumber(redis.call('HGET', KEYS[1], 'backoff') or 0)
if backoff > 0 and ARGV[4] ~= '1' then
  return math.max(0, tonumber(redis.call('HGET', KEYS[1], 'probeAt')) - now)
end
backoff = backoff > 0 and math.min(backoff * 2, tonumber(ARGV[3])) or tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'paused', ARGV[1], 'backoff', backoff, 'probeAt', now + backoff)
redis.call('HSETNX', KEYS[1], 'pausedAt', now)
redis.call('HDEL', KEYS[1], 'probingUntil')
redis.call('PUBLISH', ARGV[5], 'paused ' .. ARGV[6])
return backoff
