-- The rate a bucket goes by where neither the operator nor the upstream has told a limit: guessed at a 429 that names none.
--   seen   what passed before that 429, as a rate: since a 429 before it (the upstream's stock was empty then too), the refused
--          call included, or in about the last minute: when there was none before it, or more passed in that minute. Corrected as
--          further 429s of the same flood come in.
--   hint   what the told wait allows: a call of weight w that has to wait t ms lacks w at most, so w / t. The least of a flood.
--          0 = no wait was told, or one too short for its text («0.00 seconds»)
--   call   what the refused call weighed; without a hint one such call a second is taken for what the wait allows
--   base   the rate the bucket went by before the 429, 0 = none
--   least  what of it is kept in any case: half when what passed since the 429 before tells a rate; 90 % when that was within the
--          last 5 s, in which requests on their way from before it may have taken what there was, or more than a minute ago, for
--          there may have been less to do
-- The first guess doubles until a 429 comes, up to 64 times as much. A stop of a second leaves the upstream a second's stock:
-- a rate twice too high is refused within a second, one half too high within two. So what went well for 3 s is not far too
-- high, and may double; where three calls take longer at that rate it waits for them, 10 s at most. With the next 429 the
-- rate is known within a factor of two, and what passed since the first says the rest. From then on it grows by 5 % a minute
-- and loses 5 % or more with each further 429. A base far above all that was seen was never in use, and counts as none.
local SOONEST_DOUBLES_MS = 3000
local LATEST_DOUBLES_MS = 10000
local CALLS_A_DOUBLING = 3
local FIRST_DOUBLINGS = 6
local GROWTH_A_MINUTE = 1.05
local GROWS_MINUTES = 1440
local UNUSED_TIMES = 4
local UNTOLD_CALLS = 60

-- 0 = there is no guess. `at`: when what is asked for would start.
local function working_rate(b, meter, at)
  local hint = b['hint.' .. meter]
  if not hint then return 0 end
  local seen, base = b['seen.' .. meter] or 0, b['base.' .. meter] or 0
  local grown_ms = math.max(0, at - b['guessAt.' .. meter])
  local call = b['call.' .. meter] or 1
  local most = math.max(seen, hint > 0 and hint or UNTOLD_CALLS * call)
  if base == 0 or base > UNUSED_TIMES * most then
    local calls_ms = CALLS_A_DOUBLING * call * 60000 / most
    local doubles_ms = math.min(LATEST_DOUBLES_MS, math.max(SOONEST_DOUBLES_MS, calls_ms))
    return most * 2 ^ math.min(FIRST_DOUBLINGS, grown_ms / doubles_ms)
  end
  local rate = math.max(b['least.' .. meter] or base / 2, math.min(seen, base * 0.95))
  return rate * GROWTH_A_MINUTE ^ math.min(GROWS_MINUTES, grown_ms / 60000)
end
