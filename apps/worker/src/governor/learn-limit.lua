-- Remembers a limit the upstream told in its headers or a 429.
-- KEYS: bucket hash. ARGV: kind, limit per minute. Returns 1 when it is news.
local field = 'learned.' .. ARGV[1]
if redis.call('HGET', KEYS[1], field) == ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], field, ARGV[2])
return 1
