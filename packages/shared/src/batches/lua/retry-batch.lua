-- Opens an ended batch for a new run over its lines without images.
-- KEYS: batch hash, open batches. ARGV: window ms
-- Returns 'gone' · 'open' it has not ended · 'refused' its input was refused · 'whole' nothing is missing · 'retried'
local facts = redis.call('HMGET', KEYS[1], 'status', 'id', 'failed', 'total', 'completed', 'run')
if not facts[1] then return 'gone' end
if not ENDED[facts[1]] then return 'open' end
if facts[1] == 'failed' then return 'refused' end
if tonumber(facts[5] or 0) >= tonumber(facts[4] or 0) then return 'whole' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'run', facts[6] + 1, 'expiresAt', now + ARGV[1], 'cursorByte', 0, 'cursorLine', 0, 'failed', 0)
redis.call('HDEL', KEYS[1], 'ended', 'expired', 'ending', 'at:finalizing', 'at:completed', 'at:expired', 'at:cancelling', 'at:cancelled', 'outputFileId', 'errorFileId')
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[1] .. ':unmade')
redis.call('ZADD', KEYS[2], now, facts[2])
move(KEYS[1], 'in_progress', 0)
return 'retried'
