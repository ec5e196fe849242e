-- Records a try and what follows from it, for the delivery and for its host.
-- The host's circuit: after `threshold` failures in a row it rests; then one delivery at a time is tried, and each that
-- fails doubles the rest; the first sign of life closes the circuit.
-- KEYS: delivery hash
-- ARGV: limits JSON, event id, turn, row JSON, outcome ('delivered'|'gone'|'retry'|'failed'), delay ms, health ('up'|'down'|'')
-- Returns what `admit` returns: items to add to the queue.
local limits, id, outcome = cjson.decode(ARGV[1]), ARGV[2], ARGV[5]
local now = now_ms()
local facts = redis.call('HMGET', KEYS[1], 'host', 'turn', 'state', 'again')
if not facts[1] then return {} end
local receiver, waiting, queued = lists_of(facts[1])

if ARGV[7] == 'up' then
  redis.call('DEL', receiver)
elseif ARGV[7] == 'down' then
  local failures = redis.call('HINCRBY', receiver, 'failures', 1)
  if failures >= limits.threshold and now >= tonumber(redis.call('HGET', receiver, 'restUntil') or 0) then
    local rests = redis.call('HINCRBY', receiver, 'rests', 1)
    redis.call('HSET', receiver, 'restUntil', now + math.min(limits.longestRestMs, limits.firstRestMs * 2 ^ (rests - 1)))
  end
  redis.call('PEXPIRE', receiver, limits.giveUpAfterMs)
end

log_try(KEYS[1], cjson.decode(ARGV[4]))
redis.call('HSET', KEYS[1], 'openAt', '')
-- A late try of an earlier turn changes nothing more, unless it got through.
local is_ours = facts[2] == ARGV[3] and facts[3] == 'pending'
if is_ours or outcome == 'delivered' then
  redis.call('ZREM', queued, id)
  redis.call('ZREM', waiting, id)
  local is_again = facts[4] == '1' and outcome ~= 'delivered'
  redis.call('HSET', KEYS[1], 'again', '')
  if is_again or outcome == 'retry' then
    local due = is_again and now or now + ARGV[6]
    redis.call('ZADD', waiting, due, id)
    redis.call('HSET', KEYS[1], 'nextAt', due)
    if is_again then redis.call('HSET', KEYS[1], 'failures', 0) else redis.call('HINCRBY', KEYS[1], 'failures', 1) end
  else
    redis.call('HSET', KEYS[1], 'state', outcome, 'nextAt', '')
  end
end
return admit(facts[1], limits)
