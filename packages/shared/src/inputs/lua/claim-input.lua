-- Gives an input image to one sweep, to be removed, if no job may need it any more. What a vision file holds leaves the
-- list of what is due; deleting the file puts it back.
-- KEYS: inputs, input hash, its vision files. ARGV: member, now ms, life of a claim ms, id of the claim
-- Returns 1 when it is this sweep's, else 0.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) > tonumber(ARGV[2]) then return 0 end
local claimed_at = redis.call('HGET', KEYS[2], 'claimedAt')
if claimed_at and now - claimed_at < tonumber(ARGV[3]) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
redis.call('HSET', KEYS[2], 'claimedBy', ARGV[4], 'claimedAt', now)
-- A sweep that dies leaves it to the next one; until then the list shows others.
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1
