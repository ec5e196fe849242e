-- Records a new job, its place in the account's list and its idempotency key in one step.
-- KEYS: job hash, account's jobs, open jobs, idempotency key
-- ARGV: id, spec, calls, images requested, life ms, first look ms, fingerprint ('' = no idempotency key), idempotency life ms
-- Returns {'created', id, created at ms} · {'exists', id of the earlier job} · {'conflict', id}: the key was used for another body
local id, fingerprint = ARGV[1], ARGV[7]
if fingerprint ~= '' then
  local earlier = redis.call('HMGET', KEYS[4], 'job', 'fingerprint')
  if earlier[1] then
    if earlier[2] == fingerprint then return { 'exists', earlier[1] } end
    return { 'conflict', earlier[1] }
  end
end
if redis.call('EXISTS', KEYS[1]) == 1 then return { 'exists', id } end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', id, 'spec', ARGV[2], 'status', 'queued', 'run', 1, 'createdAt', now,
  'expiresAt', now + ARGV[5], 'left', ARGV[3], 'underWay', 0, 'images', 0, 'requested', ARGV[4], 'withheld', '')
for k = 0, ARGV[3] - 1 do
  write_call(KEYS[1], k, { attempts = 0, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = '' })
end
redis.call('ZADD', KEYS[2], now, id)
redis.call('ZADD', KEYS[3], now + math.min(ARGV[5], ARGV[6]), id)
if fingerprint ~= '' then
  redis.call('HSET', KEYS[4], 'job', id, 'fingerprint', fingerprint)
  redis.call('PEXPIRE', KEYS[4], ARGV[8])
end
return { 'created', id, now }
