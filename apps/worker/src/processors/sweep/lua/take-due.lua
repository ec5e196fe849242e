-- Takes what is due from a list, so that of many sweepers one looks at each; when that one dies, it is due again later.
-- KEYS: ZSET by when to look, ms
-- ARGV: at most, ms until it is due again
-- Returns the members taken, those that are due longest first.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[2], member) end
return due
