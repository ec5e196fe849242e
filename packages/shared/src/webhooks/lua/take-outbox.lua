-- Takes events out of the outbox for a while, as many of each host: a flood for one never holds up another's. Whoever
-- takes them removes them (create-delivery, drop-event); after the lease they are there for others again.
-- KEYS: outbox. ARGV: at most (about), lease ms. Returns {host, line, host, line, …}, lines as `emit` of jobs/lua/lib.lua
-- writes them.
local HOSTS_AT_ONCE = 16
local now = now_ms()
local taken = {}
local hosts = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, HOSTS_AT_ONCE)
for _, host in ipairs(hosts) do
  local list = KEYS[1] .. ':' .. host
  for _, line in ipairs(redis.call('ZRANGEBYSCORE', list, '-inf', now, 'LIMIT', 0, math.ceil(ARGV[1] / #hosts))) do
    taken[#taken + 1], taken[#taken + 2] = host, line
    redis.call('ZADD', list, now + ARGV[2], line)
  end
  -- With more to take it goes behind the hosts that came meanwhile.
  local oldest = redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')[2]
  if oldest then redis.call('ZADD', KEYS[1], math.max(now, tonumber(oldest)), host)
  else redis.call('ZREM', KEYS[1], host) end
end
return taken
