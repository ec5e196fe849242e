-- Returns a permit. An unused one gives its share of the buckets back.
-- KEYS: upstream key hash, then per limit: bucket hash, leases ZSET
-- ARGV: attempt id, 1 = unused, 1 = it was the probe, images, tokens, then per limit: images/min, requests/min, tokens/min (0 = not told)
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local weights = { images = tonumber(ARGV[4]), requests = 1, tokens = tonumber(ARGV[5]) }
local kinds = { 'images', 'requests', 'tokens' }
for i = 1, (#KEYS - 1) / 2 do
  redis.call('ZREM', KEYS[i * 2 + 1], ARGV[1])
  if ARGV[2] == '1' then
    for m, kind in ipairs(kinds) do
      local limit = tonumber(ARGV[2 + i * 3 + m])
      if limit == 0 then limit = tonumber(redis.call('HGET', KEYS[i * 2], 'learned.' .. kind) or 0) end
      local tat = tonumber(redis.call('HGET', KEYS[i * 2], 'tat.' .. kind) or 0)
      if limit > 0 and tat > 0 then
        local share = math.min(weights[kind], limit) * 60000 / limit
        redis.call('HSET', KEYS[i * 2], 'tat.' .. kind, string.format('%.3f', math.max(now, tat - share)))
      end
    end
  end
end
if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], 'probingUntil') end
return 1
