-- Keeps input images until a time at least; a later time stands. All of them or none. Whoever hears 'kept' may rely on
-- it: no sweep is under way for any of them, and none begins before that time.
-- KEYS: inputs, then the hash of each input
-- ARGV: until ms or '+inf', life of a claim ms, then for each input its member and what was measured, JSON ('' = it has to
--       be there already)
-- Returns 'kept' · 'gone': one that has to be there is not · 'claimed': one is being removed right now, ask again
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for at = 2, #KEYS do
  local claimed_at = redis.call('HGET', KEYS[at], 'claimedAt')
  if claimed_at and now - claimed_at < tonumber(ARGV[2]) then return 'claimed' end
  if ARGV[at * 2] == '' and redis.call('HEXISTS', KEYS[at], 'facts') == 0 then return 'gone' end
end
for at = 2, #KEYS do
  redis.call('HDEL', KEYS[at], 'claimedBy', 'claimedAt')
  if ARGV[at * 2] ~= '' then redis.call('HSET', KEYS[at], 'facts', ARGV[at * 2]) end
  redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[at * 2 - 1])
end
return 'kept'
