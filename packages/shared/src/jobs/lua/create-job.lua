-- Records a new job, its place in the account's list, its idempotency key and who waits for its reply in one step.
-- KEYS: job hash, account's jobs, open jobs, idempotency key, accounts, unanswered submissions (see base/keys.ts)
-- ARGV: id, account, spec, calls, images requested, life ms, first look ms, fingerprint ('' = no idempotency key), idempotency life ms,
--       batch id or '', events its webhook wants and its host ('' or ',type,…,host'),
--       asker ('' = nobody may join), 1 = it repeats an earlier request
-- Returns {'created', id, created at ms} · {'closed', id}: its batch takes no more jobs · {'exists', id of the earlier job} · {'joined', id of what its earlier try has made} · {'conflict', id}: the key was used for another body
local id, fingerprint = ARGV[1], ARGV[8]
local known = find_by_key(KEYS[4], fingerprint)
if known then return known end
local joined = ARGV[13] == '1' and join_unanswered(KEYS[6], ARGV[12])
if joined then return { 'joined', joined } end
if redis.call('EXISTS', job) == 1 then return { 'exists', id } end
if ARGV[10] ~= '' and redis.call('HGET', root .. ':batch:' .. ARGV[10], 'status') ~= 'in_progress' then return { 'closed', id } end
local now = now_ms()
state = {
  id = id, account = ARGV[2], batch = ARGV[10] ~= '' and ARGV[10] or nil, webhook = ARGV[11] ~= '' and ARGV[11] or nil,
  run = 1, status = 'queued', createdAt = now, expiresAt = now + ARGV[6], left = tonumber(ARGV[4]), underWay = 0,
  images = 0, requested = tonumber(ARGV[5]), sequence = 0,
}
redis.call('HSET', job, 'spec', ARGV[3], 'state', cjson.encode(state))
for k = 0, ARGV[4] - 1 do
  write_call(k, { attempts = 0, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = '' })
end
local batch = batch_key()
if batch then
  redis.call('SADD', batch .. ':open', id)
  redis.call('HINCRBY', batch, 'submitted', 1)
end
redis.call('SADD', KEYS[5], ARGV[2])
redis.call('ZADD', KEYS[2], now, id)
redis.call('ZADD', KEYS[3], now + math.min(ARGV[6], ARGV[7]), id)
remember_key(KEYS[4], fingerprint, id, ARGV[9])
if ARGV[12] ~= '' then add_unanswered(KEYS[6], id, now, ARGV[12]) end
return { 'created', id, now }
