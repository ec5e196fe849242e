-- A call under an upstream key failed, and not because of the call: its host was not to be reached, or answered with a 5xx.
-- The first for want of a connection, or the third 5xx in a row, sets the key aside: acquire.lua gives calls other keys while
-- those can take them. For a second, then twice as long each time up to half a minute, until any other reply comes. Once,
-- however many fail together: those with permits taken before the last time are no news.
-- KEYS: upstream key hash, with
--   failures, failedAt    how many in a row, and when it was last set aside
--   asideUntil, asideMs   until when it is, and for how long
-- ARGV: when the failed call took its permit, ms; 1 = there was a reply
-- Returns the ms for which the key is set aside by this; 0 = it is not.
local PATIENCE = 3
local FIRST_MS = 1000
local LONGEST_MS = 30000
local t = redis.call('TIME')
-- With parts of a millisecond, as acquire.lua tells it: a whole one may be before a permit taken in the same millisecond.
local now = t[1] * 1000 + t[2] / 1000
local h = redis.call('HMGET', KEYS[1], 'failures', 'failedAt')
local failures, failed_at = tonumber(h[1] or 0), tonumber(h[2] or 0)
if failures >= PATIENCE and tonumber(ARGV[1]) <= failed_at then return 0 end
failures = math.max(failures + 1, ARGV[2] == '1' and 0 or PATIENCE)
redis.call('HSET', KEYS[1], 'failures', failures)
if failures < PATIENCE then return 0 end
local ms = math.min(FIRST_MS * 2 ^ (failures - PATIENCE), LONGEST_MS)
redis.call('HSET', KEYS[1], 'failedAt', now, 'asideUntil', now + ms, 'asideMs', ms)
return ms
