-- Takes a permit: reserves images, one request and tokens in every bucket of a call at once, or takes nothing.
-- KEYS: upstream key hash, then per limit: bucket hash, leases ZSET
-- ARGV: permit id ('' = say what would be, and take nothing), images, tokens, longest wait ms, lease ms,
--       then per limit: concurrency, images/min, requests/min, tokens/min (0 = not told), burst s
-- Bucket hash: tat.images tat.requests tat.tokens (when the bucket is empty again, ms), notBefore (stopped until),
--              learned.images learned.requests learned.tokens (limits read off the upstream), epoch (rises when a limit stops or changes)
-- Returns {'permit', wait ms, epoch sum, 1 = this is the probe of a paused key} · {'rate'|'busy'|'paused', wait ms}
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local weights = { images = tonumber(ARGV[2]), requests = 1, tokens = tonumber(ARGV[3]) }
local kinds = { 'images', 'requests', 'tokens' }

local pause = redis.call('HMGET', KEYS[1], 'paused', 'probeAt', 'probingUntil')
if pause[1] then
  local free = math.max(tonumber(pause[2]), tonumber(pause[3] or 0))
  if now < free then return { 'paused', math.ceil(free - now) } end
end

local start, epoch, tats, free_at = now, 0, {}, nil
for i = 1, (#KEYS - 1) / 2 do
  local bucket, leases, a = KEYS[i * 2], KEYS[i * 2 + 1], i * 5
  local concurrency = tonumber(ARGV[a + 1])
  if concurrency > 0 then
    redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
    if redis.call('ZCARD', leases) >= concurrency then return { 'busy', 250 } end
  end
  local h = redis.call('HMGET', bucket, 'notBefore', 'epoch', 'tat.images', 'tat.requests', 'tat.tokens',
    'learned.images', 'learned.requests', 'learned.tokens')
  start = math.max(start, tonumber(h[1] or 0))
  epoch = epoch + tonumber(h[2] or 0)
  for m, kind in ipairs(kinds) do
    local limit = tonumber(ARGV[a + 1 + m])
    if limit == 0 then limit = tonumber(h[5 + m] or 0) end
    if limit > 0 and weights[kind] > 0 then
      local step = 60000 / limit
      local weight = math.min(weights[kind], limit)
      local burst = math.max(tonumber(ARGV[a + 5]) * limit / 60, weight)
      local tat = math.max(tonumber(h[2 + m] or 0), now)
      start = math.max(start, tat - (burst - weight) * step)
      tats[#tats + 1] = { bucket, 'tat.' .. kind, tat, weight * step }
    end
  end
end
local wait = math.ceil(start - now)
if wait > tonumber(ARGV[4]) then return { 'rate', wait } end
if ARGV[1] == '' then return { 'permit', wait, epoch, 0 } end

for _, x in ipairs(tats) do
  redis.call('HSET', x[1], x[2], string.format('%.3f', math.max(x[3], start) + x[4]))
end
for i = 1, (#KEYS - 1) / 2 do
  redis.call('ZADD', KEYS[i * 2 + 1], now + wait + ARGV[5], ARGV[1])
  redis.call('PEXPIRE', KEYS[i * 2 + 1], math.ceil(wait + ARGV[5]))
end
if pause[1] then redis.call('HSET', KEYS[1], 'probingUntil', now + wait + ARGV[5]) end
return { 'permit', wait, epoch, pause[1] and 1 or 0 }
