-- The upstream said `slow_down`: half as many calls of this bucket may be under way as now are, at least one. That doubles
-- every 30 s until it no longer binds (`concurrency_of` in bucket.lua). Once, however many replies say so together: those
-- to permits taken before the last time are not news. Needs bucket.lua.
-- KEYS: bucket, leases (the refused call is not among them any more). ARGV: when the refused call took its permit, ms; lease ms
-- Returns the calls that may be under way; 0 when it was no news.
local now = now_ms()
local b = read_bucket(KEYS[1])
if b.slowAt and tonumber(ARGV[1]) <= b.slowAt then return 0 end
-- A permit that sleeps is no call under way: its lease ends later than that of any that may start by now.
local under_way = redis.call('ZCOUNT', KEYS[2], '(' .. now, now + tonumber(ARGV[2])) + 1
local unlimited = { concurrency = 0 }
local cap = math.max(1, math.floor(math.min(under_way, concurrency_of(b, unlimited, now)) / 2))
write_bucket(b, { slowCap = cap, slowAt = now })
return cap
