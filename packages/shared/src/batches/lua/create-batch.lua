-- Records a new batch, its place in the account's list, its idempotency key and who waits for its reply in one step.
-- KEYS: batch hash, account's batches, open batches, idempotency key, unanswered submissions
-- ARGV: id, account, spec, window ms, fingerprint ('' = no idempotency key), idempotency life ms, events its webhook wants,
--       asker ('' = nobody may join), 1 = it repeats an earlier request
-- Returns {'created', id} · {'exists', id} · {'joined', id}: made by its earlier try · {'conflict', id}: the key was used for another body
local id, fingerprint = ARGV[1], ARGV[5]
local known = find_by_key(KEYS[4], fingerprint)
if known then return known end
local joined = ARGV[9] == '1' and join_unanswered(KEYS[5], ARGV[8])
if joined then return { 'joined', joined } end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', id, 'account', ARGV[2], 'spec', ARGV[3], 'status', 'validating', 'run', 1,
  'createdAt', now, 'expiresAt', now + ARGV[4], 'webhookEvents', ARGV[7])
redis.call('ZADD', KEYS[2], now, id)
redis.call('ZADD', KEYS[3], now, id)
remember_key(KEYS[4], fingerprint, id, ARGV[6])
if ARGV[8] ~= '' then add_unanswered(KEYS[5], id, now, ARGV[8]) end
return { 'created', id }
