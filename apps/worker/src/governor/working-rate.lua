-- The rate a bucket goes by where neither the operator nor the upstream has told a limit: guessed at a 429 that names none.
--   seen   what passed before that 429, as a rate: since the stop before it (the upstream's stock was empty then), or, when that
--          was long ago or never, in about the last minute. Corrected as further 429s of the same flood come in.
--   hint   what the told wait allows: a call of weight w that has to wait t ms lacks w at most, so w / t. The least of a flood.
--   base   the rate the bucket went by before the 429, 0 = none
-- The first guess doubles every 10 s until a 429 comes; then the rate is known within a factor of two, and what passed since
-- the first says the rest. From then on it grows by 5 % a minute and loses 5 % or more with each further 429, never more than
-- half. A base far above all that was seen was never in use, and counts as none.
local FIRST_DOUBLES_MS = 10000
local FIRST_GROWS_MS = 60000
local GROWTH_A_MINUTE = 1.05
local GROWS_MINUTES = 1440
local UNUSED_TIMES = 4

-- 0 = there is no guess.
local function working_rate(b, meter, now)
  local hint = b['hint.' .. meter]
  if not hint then return 0 end
  local seen, base = b['seen.' .. meter] or 0, b['base.' .. meter] or 0
  local grown_ms = math.max(0, now - b['guessAt.' .. meter])
  local most = math.max(seen, hint)
  if base == 0 or base > UNUSED_TIMES * most then
    return most * 2 ^ (math.min(FIRST_GROWS_MS, grown_ms) / FIRST_DOUBLES_MS)
  end
  local rate = math.max(base / 2, math.min(seen, base * 0.95))
  return rate * GROWTH_A_MINUTE ^ math.min(GROWS_MINUTES, grown_ms / 60000)
end
