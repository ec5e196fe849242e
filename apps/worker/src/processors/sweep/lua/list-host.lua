-- Puts a host back on the list of those to be looked at, now, when something waits for it.
-- KEYS: list of hosts, then the keys of what may wait for this one. ARGV: host
-- Returns 1 when it was missing there, else 0.
local waits = 0
for i = 2, #KEYS do waits = waits + redis.call('EXISTS', KEYS[i]) end
if waits == 0 then return 0 end
local t = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'NX', t[1] * 1000 + math.floor(t[2] / 1000), ARGV[1])
