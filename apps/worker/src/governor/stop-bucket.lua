-- A 429 said to wait: the bucket stops for that long, once, however many replies say so together, and goes on at its rate
-- with room for the refused call alone. Needs bucket.lua.
-- «(for limit X)» stops the bucket X; from then on the model has X among its limits, and its permits without X are void.
-- Where no limit is known, a rate is guessed: working-rate.lua.
-- KEYS: the bucket, the model's own bucket, the upstream key's limit names
-- ARGV: wait ms, images, tokens (of the refused call), channel, message, model, further limit name ('' = none),
--       meter a rate is guessed for ('' = none: `slow_down` says nothing of a rate), told wait ms (0 = none), then images, requests, tokens a minute as told, burst ms, concurrency,
--       epoch of the bucket when the refused call took its permit ('' = the permit had no part of this bucket)
-- Returns 1 when this stopped it or made the stop longer, else 0.
local LEAST_SPAN_MS = 5000
local LEAST_SPAN_CALLS = 20
local TELLING_KEEPS = 0.5
local OTHER_KEEPS = 0.9
local now = now_ms()
local wait, told = tonumber(ARGV[1]), told_at(10)
local weights = { images = tonumber(ARGV[2]), requests = 1, tokens = tonumber(ARGV[3]) }
if ARGV[7] ~= '' and redis.call('HGET', KEYS[3], ARGV[6]) ~= ARGV[7] then
  redis.call('HSET', KEYS[3], ARGV[6], ARGV[7])
  redis.call('HINCRBY', KEYS[2], 'epoch', 1)
end

local b = read_bucket(KEYS[1])
local stop_until, changes = now + wait, {}
-- Replies to requests sent before the stop arrive within it; only a clearly later end is news.
local taken_in = tonumber(ARGV[15])
-- However late it is heard of on a busy machine: it was sent before the last stop, and only a told wait is more than that.
local is_late = taken_in and taken_in < (b.epoch or 0)
local is_news = stop_until > (b.notBefore or 0) + 1000 and not (is_late and tonumber(ARGV[9]) <= 1000)

-- What the working rate is made of: frozen when the stop begins, the hint when a further 429 says so.
local function note_rates(meter, told_wait)
  local hint = told_wait > 0 and weights[meter] * 60000 / told_wait or 0
  if is_late or not is_news or now < (b.notBefore or 0) then
    local before = b['hint.' .. meter]
    if before and hint > 0 then changes['hint.' .. meter] = before > 0 and math.min(hint, before) or hint end
    return
  end
  local span_ms = math.max(1000, now - (b.spanAt or 0))
  local is_short, in_span = span_ms < RECENT_MS, b['span.' .. meter] or 0
  -- Of a long span its end counts, in which it may have been busier; `recent` still lacks what was before in the first minutes.
  local by_span = is_short or in_span * 60000 / span_ms > recent_of(b, meter, now)
  changes.seenFrom, changes.seenUntil = by_span and b.spanEpoch or 0, b.epoch or 0
  changes.seenFactor = by_span and 60000 / span_ms or 1
  -- At the end of a span less than the refused call was left: with it what passed is the most the limit can have allowed. That
  -- is better than a little too low, for minutes. Of calls that are too large for what there ever is nothing passes.
  for _, each in ipairs(METERS) do
    local passed = b['span.' .. each] or 0
    passed = (passed + math.min(passed, weights[each])) * changes.seenFactor
    changes['seen.' .. each] = by_span and passed or recent_of(b, each, now)
  end
  -- Of seconds, or of a few calls, no rate can be told well: they count for the next one too.
  if not is_short or (span_ms >= LEAST_SPAN_MS and (b['span.requests'] or 0) >= LEAST_SPAN_CALLS) then
    changes.spanAt, changes.spanEpoch, changes.refusedAt = now + math.min(told_wait, wait), (b.epoch or 0) + 1, now
    for _, each in ipairs(METERS) do changes['span.' .. each] = 0 end
  end
  if told[meter] > 0 or learned_of(b, meter, now) > 0 then return end
  local base = working_rate(b, meter, now)
  local is_telling = is_short and now - (b.refusedAt or b.spanAt) >= LEAST_SPAN_MS
  changes['base.' .. meter], changes['least.' .. meter] = base, base * (is_telling and TELLING_KEEPS or OTHER_KEEPS)
  changes['hint.' .. meter], changes['call.' .. meter] = hint, weights[meter]
  changes['guessAt.' .. meter] = stop_until
end
if ARGV[8] ~= '' then note_rates(ARGV[8], tonumber(ARGV[9])) end

if is_news then
  -- Where no limit is known what goes on after a `slow_down` begins slowly once more.
  if ARGV[8] == '' then redis.call('HDEL', KEYS[2], 'easedFrom') end
  changes.notBefore = stop_until
  changes.epoch = (b.epoch or 0) + 1
end
write_bucket(b, changes)
if not is_news then return 0 end

local empty = {}
for _, each in ipairs(METERS) do
  local limit = limit_of(b, told, each, now)
  empty['room.' .. each], empty['sent.' .. each] = weights[each], 0
  if limit > 0 then empty['tat.' .. each] = stop_until + math.max(0, told.burst - weights[each] * 60000 / limit) end
end
write_bucket(b, empty)
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
