-- Takes a permit under one of several upstream keys: images, one request and tokens in every bucket of a call at once, or
-- nothing at all. The key is the one under which the call can start soonest; of equals one that is not paused, then the one
-- with the fewest calls under way, then the first. A key whose limit would have the call split comes after all others.
-- A paused key whose probe is due counts as one that can start now: so a call that would start elsewhere at once is never a
-- probe, and of those that have to wait one is. A probe costs nothing but a refusal.
-- A key that was set aside (note-failure.lua) is not asked while another can take the call, now or later; when its time is over one
-- call shows how it is. Where all others are paused or set aside too, the call goes as if none were.
-- Where no limit of rate is known, calls start slowly: slow-start.lua.
-- Needs bucket.lua, slow-start.lua and set-back-clock.lua.
-- KEYS: per upstream key: its hash, its limit names, then per limit: bucket, leases
-- ARGV: permit id ('' = say what would be, and take nothing), images, tokens, longest wait ms, lease ms, model,
--       then per upstream key: number of limits, the further limit name that is among them ('' = none), then per limit:
--       images, requests, tokens a minute (0 = not told), burst ms, concurrency (0 = not told)
-- Where there is a burst a call for many images starts later than one for a single image that asks at the same time: more of the
-- burst has to be there. So much longer it may wait, at most twice as long; else small calls would take all places before it.
-- A call for more images than the limits let through in a minute would be refused whenever it is sent: it gets no permit.
-- Returns {'permit', wait ms, number of the upstream key, 1 = this is the probe of a paused key, receipt JSON}
--       · {'too-large', 0, number of the upstream key, images that fit, one at least}
--       · {'rate'|'busy'|'paused', wait ms (of a rate: as a call for one image would have to)} · {'names', 0, number of the upstream key, its further limit name}: ask again with it
local BUSY_MS = 250
-- The longest a key can be set aside: longer only after a clock was set back.
local LONGEST_ASIDE_MS = 60000
local now = now_ms()
local weights = { images = tonumber(ARGV[2]), requests = 1, tokens = tonumber(ARGV[3]) }
local longest, lease_ms = tonumber(ARGV[4]), tonumber(ARGV[5])

-- Reads one upstream key's part of KEYS and ARGV.
local function key_at(k, a)
  local key = { hash = KEYS[k], names = KEYS[k + 1], named = ARGV[a + 1], limits = {} }
  for i = 1, tonumber(ARGV[a]) do
    key.limits[i] = { bucket = KEYS[k + i * 2], leases = KEYS[k + 1 + i * 2], told = told_at(a - 3 + i * 5) }
  end
  return key, k + 2 + #key.limits * 2, a + 2 + #key.limits * 5
end

local function calls_under_way(leases)
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  return redis.call('ZCARD', leases)
end

-- What the call would get under a key, and after how many ms.
local function look_at(key)
  local pause = redis.call('HMGET', key.hash, 'paused', 'probeAt', 'probingUntil', 'asideUntil', 'asideMs')
  key.aside_ms = tonumber(pause[5] or 0)
  key.aside = math.max(0, tonumber(pause[4] or 0) - now)
  key.is_aside = key.aside > 0 and key.aside <= LONGEST_ASIDE_MS
  key.start, key.is_probe, key.most = now, pause[1] and 1 or 0, weights.images
  local more = 0
  if pause[1] then
    local free = probe_time(tonumber(pause[2] or 0), tonumber(pause[3] or 0), now)
    if now < free then return 'paused', math.ceil(free - now) end
  end
  for i, limit in ipairs(key.limits) do
    limit.b = read_bucket(limit.bucket)
    mend_times(limit.b, limit.told, now)
    local under_way = calls_under_way(limit.leases)
    if i == 1 then key.under_way = under_way end
    if under_way >= concurrency_of(limit.b, limit.told, now) then return 'busy', BUSY_MS end
    key.start = math.max(key.start, limit.b.notBefore or 0)
    for _, meter in ipairs(METERS) do
      local place = place_of(limit.b, limit.told, meter, weights[meter], now)
      if place then
        key.is_known = true
        local burst, one = limit.told.burst, meter == 'requests' and place.share or place.share / weights.images
        more = math.max(more, place.share - math.max(burst, place.share) - (one - math.max(burst, one)))
        key.start = math.max(key.start, place.start)
        if meter ~= 'requests' then
          key.most = math.min(key.most, math.floor(weights.images * place.limit / weights[meter]))
        end
      end
    end
  end
  if not key.is_known then key.start = math.max(key.start, eased_start(key.limits[1].b, key.under_way, now)) end
  key.wait = math.ceil(key.start - now)
  more = math.floor(math.min(more, longest))
  if key.wait > longest + more then return 'rate', key.wait - more end
  return 'permit', key.wait
end

local function is_better(key, other)
  if key.is_aside ~= other.is_aside then return other.is_aside end
  if key.most ~= other.most then return key.most > other.most end
  if key.start ~= other.start then return key.start < other.start end
  if key.is_probe ~= other.is_probe then return key.is_probe < other.is_probe end
  return key.under_way < other.under_way
end

-- `later`: when to ask again if only keys that are set aside could take the call, and others will (`has_others`).
local best, refused, later, has_others
local k, a, number = 1, 7, 0
while k < #KEYS do
  local key
  key, k, a = key_at(k, a)
  number = number + 1
  key.number = number
  local named = redis.call('HGET', key.names, ARGV[6]) or ''
  if named ~= key.named then return { 'names', 0, number, named } end
  local kind, wait = look_at(key)
  if kind == 'permit' then
    if not best or is_better(key, best) then best = key end
  elseif not refused or wait < refused[2] then
    refused = { kind, wait }
  end
  if kind == 'permit' and key.is_aside then kind, wait = 'busy', math.ceil(key.aside) end
  if kind ~= 'permit' and kind ~= 'paused' then
    has_others = has_others or not key.is_aside
    if not later or wait < later[2] then later = { kind, wait } end
  end
end
if not best then return refused end
if best.is_aside and has_others then return later end
if best.most < weights.images and weights.images > 1 then return { 'too-large', 0, best.number, math.max(1, best.most) } end
if ARGV[1] == '' then return { 'permit', best.wait, best.number, best.is_probe, '' } end

local lease_until = now + best.wait + lease_ms
local receipt = { at = now, start = best.start, buckets = {} }
for i, limit in ipairs(best.limits) do
  receipt.buckets[i] = take(limit.b, limit.told, weights, best.start, now)
  redis.call('ZADD', limit.leases, lease_until, ARGV[1])
  redis.call('PEXPIRE', limit.leases, math.ceil(best.wait + lease_ms))
end
local own = best.limits[1].b
receipt.totals = { images = own['total.images'], requests = own['total.requests'], tokens = own['total.tokens'] }
if best.is_probe == 1 then redis.call('HSET', best.hash, 'probingUntil', lease_until) end
if best.aside_ms > 0 and not best.is_aside then redis.call('HSET', best.hash, 'asideUntil', now + best.wait + best.aside_ms) end
return { 'permit', best.wait, best.number, best.is_probe, cjson.encode(receipt) }
