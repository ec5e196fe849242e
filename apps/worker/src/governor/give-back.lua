-- Returns a permit. Needs bucket.lua.
-- KEYS: upstream key hash, then per limit: bucket, leases
-- ARGV: permit id, 'used' (sent) | 'refused' (sent, and the upstream did not count it) | 'unused' (its shares go back),
--       1 = it was the probe, images, tokens, receipt JSON
-- Doing it twice counts twice: the caller does it once.
local now = now_ms()
local weights = { images = tonumber(ARGV[4]), requests = 1, tokens = tonumber(ARGV[5]) }
local receipt = cjson.decode(ARGV[6])
for i = 1, #receipt.buckets do
  redis.call('ZREM', KEYS[i * 2 + 1], ARGV[1])
  if ARGV[2] ~= 'used' then
    local b = read_bucket(KEYS[i * 2])
    if ARGV[2] == 'unused' then
      give_back(b, weights, receipt.buckets[i], now)
    else
      local changes = {}
      count(b, weights, -1, receipt.buckets[i].epoch, now, changes)
      write_bucket(b, changes)
    end
  end
end
if ARGV[3] == '1' then redis.call('HDEL', KEYS[1], 'probingUntil') end
return 1
