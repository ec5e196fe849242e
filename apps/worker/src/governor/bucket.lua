-- A bucket: one limit of one upstream key, in up to three meters, shared by all workers. The other steps build on this file,
-- and this on working-rate.lua.
-- HASH; times are ms of Redis' clock, limits are a minute:
--   epoch             rises when permits taken before are void: a stop, a resume by hand
--   notBefore         a 429 stopped it until then · room.<meter>: what the upstream promised to have by then
--   tat.<meter>       when all that was taken will have been refilled (GCRA)
--   sent.<meter>      the same of what was sent; the paying gate keeps it (shared/jobs/lua/begin-attempt.lua)
--   slack.<meter>, slackBefore.<meter>, slackAt   how much of a share given back late may be used again, see `give_back`
--   learned.<meter>, learnedAt.<meter>   limit the upstream told in headers or a 429, and when it last did
--   seen.<meter>, hint.<meter>, call.<meter>, base.<meter>, least.<meter>, guessAt.<meter>   for a guess where no limit is
--     known, see working-rate.lua; working.<meter> is what was guessed when last something was taken, for those who only read
--   total.<meter>     all that was ever taken and neither given back nor refused
--   recent.<meter>, recentAt   the same of about the last minute: decays by RECENT_MS
--   span.<meter>, spanAt, spanEpoch, refusedAt   the same since the upstream's stock was empty: at a 429 (refusedAt), or when
--     that said to have the refused call's worth again; of permits from that epoch on
--   seenFrom, seenUntil, seenFactor   the epochs of what `seen` counts, and what one image of it is in a minute
--   easedFrom         when calls began to start without a known limit, see slow-start.lua
--   slowCap, slowAt   calls under way since a `slow_down`, and since when
-- GUARANTEE: over any span of t ms, no more starts than limit · t / 60000 + size, where size is the burst, at least one call.
-- That is about the times permits name. The gate holds to it what is sent, however late, but for 250 ms of the limit.
local METERS = { 'images', 'requests', 'tokens' }
local RECENT_MS = 60000
local SLOW_DOUBLES_MS = 30000
local SLOW_DOUBLINGS = 10
-- A permit sleeps 10 s at most and is given back soon after.
local SLACK_MS = 15000
local UNBOUND_MS = 1e9
local LEARNED_MS = 86400000

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end

local function read_bucket(name)
  local flat, b = redis.call('HGETALL', name), { name = name }
  for i = 1, #flat, 2 do b[flat[i]] = tonumber(flat[i + 1]) end
  return b
end

local function write_bucket(b, changes)
  local flat = {}
  for field, value in pairs(changes) do
    b[field] = value
    flat[#flat + 1] = field
    flat[#flat + 1] = string.format(value == math.floor(value) and '%.0f' or '%.3f', value)
  end
  if #flat > 0 then redis.call('HSET', b.name, unpack(flat)) end
end

-- 0 = none, or not told for so long that the account may have another by now: it is learned anew.
local function learned_of(b, meter, now)
  local learned = b['learned.' .. meter] or 0
  return now - (b['learnedAt.' .. meter] or now) < LEARNED_MS and learned or 0
end

-- The limit that holds: the least of told and learned; a working rate only where neither is known; 0 = none.
-- `at`: when the call would start, if not now: a guess that grows is meant for then.
local function limit_of(b, told, meter, now, at)
  local limit, learned = told[meter], learned_of(b, meter, now)
  if learned > 0 and (limit == 0 or learned < limit) then limit = learned end
  return limit > 0 and limit or working_rate(b, meter, at or now)
end

-- What a call of `weight` means to a meter of this limit: nil when the meter does not count it, else
--   share  ms of refill it takes
--   line   when the bucket would be full again without it
--   start  when it may start
--   limit  what the meter lets through a minute
local function place_of(b, told, meter, weight, now)
  local limit = limit_of(b, told, meter, now, math.max(now, (b['tat.' .. meter] or 0) - told.burst))
  if limit == 0 or weight == 0 then return nil end
  local step = 60000 / limit
  local share = math.min(weight, limit) * step
  local size = math.max(told.burst, share)
  local line = math.max(b['tat.' .. meter] or 0, now)
  if b.notBefore then
    -- After a stop the bucket holds what was promised, whatever size a call gives it.
    line = math.max(line, b.notBefore + size - math.min(size, (b['room.' .. meter] or 0) * step))
  end
  return { share = share, line = line, start = line - size + share, limit = limit }
end

-- Calls that may be under way at a time.
local function concurrency_of(b, told, now)
  local most = told.concurrency > 0 and told.concurrency or math.huge
  if not b.slowCap then return most end
  local doublings = math.floor((now - b.slowAt) / SLOW_DOUBLES_MS)
  if doublings >= SLOW_DOUBLINGS or b.slowCap * 2 ^ doublings >= most then
    redis.call('HDEL', b.name, 'slowCap', 'slowAt')
    b.slowCap, b.slowAt = nil, nil
    return most
  end
  return b.slowCap * 2 ^ doublings
end

local function recent_of(b, meter, now)
  return (b['recent.' .. meter] or 0) * math.exp(math.min(0, (b.recentAt or now) - now) / RECENT_MS)
end

-- Counts what was taken (sign 1), or was taken and then not used (-1), by a permit of this epoch.
local function count(b, weights, sign, epoch, now, changes)
  local in_span = epoch >= (b.spanEpoch or 0)
  local in_seen = b.seenUntil and epoch >= b.seenFrom and epoch <= b.seenUntil
  for _, meter in ipairs(METERS) do
    local weight = sign * weights[meter]
    changes['total.' .. meter] = math.max(0, (b['total.' .. meter] or 0) + weight)
    changes['recent.' .. meter] = math.max(0, recent_of(b, meter, now) + weight)
    if in_span then changes['span.' .. meter] = math.max(0, (b['span.' .. meter] or 0) + weight) end
    if in_seen then changes['seen.' .. meter] = math.max(0, (b['seen.' .. meter] or 0) + weight * b.seenFactor) end
  end
  changes.recentAt = now
end

-- Takes the shares of a call that starts at `start`. Returns what giving back needs to know.
local function take(b, told, weights, start, now)
  local changes, kept = {}, { epoch = b.epoch or 0, burst = told.burst, tat = {}, share = {} }
  local is_old = now - (b.slackAt or 0) > SLACK_MS
  if is_old then changes.slackAt = now end
  for _, meter in ipairs(METERS) do
    local place = place_of(b, told, meter, weights[meter], now)
    if place then
      changes['tat.' .. meter] = math.max(place.line, start) + place.share
      local slack = math.max(0, place.line - start)
      if is_old then
        changes['slackBefore.' .. meter] = b['slack.' .. meter] or UNBOUND_MS
      else
        slack = math.min(slack, b['slack.' .. meter] or 0)
      end
      changes['slack.' .. meter] = slack
      kept.tat[meter] = string.format('%.3f', changes['tat.' .. meter])
      kept.share[meter] = place.share
      if b['hint.' .. meter] then changes['working.' .. meter] = working_rate(b, meter, now) end
    end
  end
  count(b, weights, 1, kept.epoch, now, changes)
  write_bucket(b, changes)
  return kept
end

-- Gives back what `take` took and nobody used. The newest share goes back whole. Behind an older one stand starts that
-- were placed as if it were used: of it only that much goes back by which they could all have been placed earlier.
local function give_back(b, weights, kept, now)
  local changes = {}
  count(b, weights, -1, kept.epoch, now, changes)
  -- A stop has emptied the bucket and voided the permit: there is nothing to go back.
  for meter, share in pairs((b.epoch or 0) == kept.epoch and kept.share or {}) do
    local tat = b['tat.' .. meter] or 0
    if string.format('%.3f', tat) ~= kept.tat[meter] then
      local slack = b['slack.' .. meter] or 0
      share = math.min(share, slack, b['slackBefore.' .. meter] or slack)
      changes['slack.' .. meter] = slack - share
      changes['slackBefore.' .. meter] = math.max(0, (b['slackBefore.' .. meter] or slack) - share)
    end
    changes['tat.' .. meter] = tat - share
  end
  write_bucket(b, changes)
end

-- The rates and the burst of one limit as the operator told them, from four numbers of ARGV on.
local function told_at(at)
  return {
    images = tonumber(ARGV[at]), requests = tonumber(ARGV[at + 1]), tokens = tonumber(ARGV[at + 2]),
    burst = tonumber(ARGV[at + 3]), concurrency = tonumber(ARGV[at + 4]),
  }
end
