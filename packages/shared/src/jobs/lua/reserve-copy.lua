-- Reserves room for a copy of a spooled answer in Redis. All copies together stay below a bound.
-- KEYS: job hash, copies (HASH entry → bytes)
-- ARGV: call k, seq, entry, bytes, most bytes of all copies
-- Returns 1 when the copy may be written (again); 0 when there is no room, or no bytes of the answer wait any more.
local attempt = read_attempt(ARGV[1], ARGV[2])
if not attempt or not attempt.spooled or attempt.spooled.host == cjson.null then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then return 1 end
local sum = tonumber(ARGV[4])
for _, bytes in ipairs(redis.call('HVALS', KEYS[2])) do sum = sum + tonumber(bytes) end
if sum > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
return 1
