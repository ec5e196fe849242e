-- How calls begin where no limit is known at all: not all at once. An upstream's first reply takes as long as an image, but a
-- refusal comes at once, so a start that grows step by step meets the limit with few refusals, and one that no limit ends
-- is over in seconds. Needs bucket.lua.
--   easedFrom   when so many calls were under way for the first time; HASH field of the model's own bucket
-- From then on their number may double every second, once in the bucket's life, and once more after a `slow_down` or a stop that
-- was ended by hand: 8 at once, 20 after 1.3 s, 80 after 3.3 s.
-- Noted by whoever sees them, refused or not: calls from before may be so many that the next has to wait longer than any
-- may. A clock set back begins anew: what is noted never lies ahead.
local AT_ONCE = 8
local EASED_DOUBLES_MS = 1000

-- When one more call may start beside those under way.
local function eased_start(b, under_way, now)
  if under_way < AT_ONCE then return now end
  local from = math.min(b.easedFrom or now, now)
  if from ~= b.easedFrom then write_bucket(b, { easedFrom = from }) end
  local doublings = math.log((under_way + 1) / AT_ONCE) / math.log(2)
  return from + doublings * EASED_DOUBLES_MS
end
