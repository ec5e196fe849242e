-- Opens an ended batch for a new run over its lines without images.
-- KEYS: batch hash, open batches, idempotency key, unanswered submissions
-- ARGV: window ms, run it is known to be in, fingerprint ('' = no idempotency key), idempotency life ms,
--       asker ('' = nobody may join), 1 = it repeats an earlier request
-- Returns 'gone' · 'exists'|'conflict' the idempotency key was used before, for this or for something else ·
--         'joined' its earlier try has opened it · 'open' it has not ended · 'refused' its input was refused, or has gone ·
--         'whole' nothing is missing · 'retried'
-- The files of the run before stay named until the new run's replace them.
local facts = redis.call('HMGET', KEYS[1], 'status', 'id', 'failed', 'total', 'completed', 'run')
if not facts[1] then return 'gone' end
local known = find_by_key(KEYS[3], ARGV[3])
if known then return known[1] end
if ARGV[6] == '1' and join_unanswered(KEYS[4], ARGV[5]) then return 'joined' end
-- The same step twice: a connection that breaks leaves open whether it was done.
if is_asking(KEYS[4], facts[2], ARGV[5]) then return 'retried' end
if facts[6] ~= ARGV[2] then return 'open' end
if not ENDED[facts[1]] then return 'open' end
if facts[1] == 'failed' then return 'refused' end
if tonumber(facts[5] or 0) >= tonumber(facts[4] or 0) then return 'whole' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'run', facts[6] + 1, 'expiresAt', now + ARGV[1], 'cursorByte', 0, 'cursorLine', 0, 'failed', 0)
redis.call('HDEL', KEYS[1], 'ended', 'expired', 'ending', 'at:finalizing', 'at:completed', 'at:expired', 'at:cancelling', 'at:cancelled')
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[1] .. ':unmade')
redis.call('ZADD', KEYS[2], now, facts[2])
move(KEYS[1], 'in_progress', 0)
remember_key(KEYS[3], ARGV[3], facts[2], ARGV[4])
if ARGV[5] ~= '' then add_unanswered(KEYS[4], facts[2], now, ARGV[5]) end
return 'retried'
