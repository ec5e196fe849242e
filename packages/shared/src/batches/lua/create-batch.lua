-- Records a new batch, its place in the account's list and its idempotency key in one step.
-- KEYS: batch hash, account's batches, open batches, idempotency key
-- ARGV: id, account, spec, window ms, fingerprint ('' = no idempotency key), idempotency life ms, events its webhook wants
-- Returns {'created', id} · {'exists', id} · {'conflict', id}: the key was used for another body
local id, fingerprint = ARGV[1], ARGV[5]
if fingerprint ~= '' then
  local earlier = redis.call('HMGET', KEYS[4], 'job', 'fingerprint')
  if earlier[1] then
    if earlier[2] == fingerprint then return { 'exists', earlier[1] } end
    return { 'conflict', earlier[1] }
  end
end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', id, 'account', ARGV[2], 'spec', ARGV[3], 'status', 'validating', 'run', 1,
  'createdAt', now, 'expiresAt', now + ARGV[4], 'webhookEvents', ARGV[7])
redis.call('ZADD', KEYS[2], now, id)
redis.call('ZADD', KEYS[3], now, id)
if fingerprint ~= '' then
  redis.call('HSET', KEYS[4], 'job', id, 'fingerprint', fingerprint)
  redis.call('PEXPIRE', KEYS[4], ARGV[6])
end
return { 'created', id }
