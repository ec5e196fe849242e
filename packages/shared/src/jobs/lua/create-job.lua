-- Records a new job, its place in the account's list and its idempotency key in one step.
-- KEYS: job hash, account's jobs, open jobs, idempotency key, accounts (see base/keys.ts)
-- ARGV: id, account, spec, calls, images requested, life ms, first look ms, fingerprint ('' = no idempotency key), idempotency life ms,
--       batch id or '', events its webhook wants ('' or ',type,…,')
-- Returns {'created', id, created at ms} · {'exists', id of the earlier job} · {'conflict', id}: the key was used for another body
local id, fingerprint = ARGV[1], ARGV[8]
if fingerprint ~= '' then
  local earlier = redis.call('HMGET', KEYS[4], 'job', 'fingerprint')
  if earlier[1] then
    if earlier[2] == fingerprint then return { 'exists', earlier[1] } end
    return { 'conflict', earlier[1] }
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then return { 'exists', id } end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', id, 'account', ARGV[2], 'batch', ARGV[10], 'webhookEvents', ARGV[11], 'spec', ARGV[3], 'status', 'queued', 'run', 1, 'createdAt', now,
  'expiresAt', now + ARGV[6], 'left', ARGV[4], 'underWay', 0, 'images', 0, 'requested', ARGV[5], 'withheld', '')
for k = 0, ARGV[4] - 1 do
  write_call(KEYS[1], k, { attempts = 0, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = '' })
end
redis.call('SADD', KEYS[5], ARGV[2])
redis.call('ZADD', KEYS[2], now, id)
redis.call('ZADD', KEYS[3], now + math.min(ARGV[6], ARGV[7]), id)
if fingerprint ~= '' then
  redis.call('HSET', KEYS[4], 'job', id, 'fingerprint', fingerprint)
  redis.call('PEXPIRE', KEYS[4], ARGV[9])
end
return { 'created', id, now }
