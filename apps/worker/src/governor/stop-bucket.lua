-- A 429 said to wait: the bucket stops for that long, once, however many replies say so together, and starts empty.
-- KEYS: bucket hash. ARGV: wait ms, channel, bucket name, burst s
-- Returns 1 when this stopped it or made the stop longer, else 0.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local before = tonumber(redis.call('HGET', KEYS[1], 'notBefore') or 0)
local until_ms = now + tonumber(ARGV[1])
-- Replies to requests sent before the stop arrive within it; only a clearly later end is news.
if until_ms <= before + 1000 then return 0 end
redis.call('HSET', KEYS[1], 'notBefore', until_ms)
for _, kind in ipairs({ 'images', 'requests', 'tokens' }) do
  local tat = tonumber(redis.call('HGET', KEYS[1], 'tat.' .. kind) or 0)
  redis.call('HSET', KEYS[1], 'tat.' .. kind, math.max(tat, until_ms + ARGV[4] * 1000))
end
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('PUBLISH', ARGV[2], 'stopped ' .. ARGV[3])
return 1
