-- Records a new job, its place in the account's list, its calls' places in their lane, its idempotency key and who waits
-- for its reply in one step.
-- KEYS: job hash, account's jobs, open jobs, idempotency key, accounts, unanswered submissions, lane's books (see base/keys.ts),
--       the lane's waiting items (BullMQ's)
-- ARGV: id, account, spec, calls, images requested, life ms, first look ms, fingerprint ('' = no idempotency key), idempotency life ms,
--       batch id or '', events its webhook wants and its host ('' or ',type,…,host'),
--       asker ('' = nobody may join), 1 = it repeats an earlier request,
--       lane, priority, images of each call JSON, most open calls of the lane, of the account in it (0 = any number)
-- Returns {'created', id, created at ms, waiting items ahead of its first call, base, tag of each call…} ·
--         {'full', id, 'lane'|'account', open calls of the lane, of the account} · {'closed', id}: its batch takes no more jobs · {'exists', id of the earlier job} · {'joined', id of what its earlier try has made} · {'conflict', id}: the key was used for another body
local id, fingerprint = ARGV[1], ARGV[8]
local known = find_by_key(KEYS[4], fingerprint)
if known then return known end
local joined = ARGV[13] == '1' and join_unanswered(KEYS[6], ARGV[12])
if joined then return { 'joined', joined } end
if redis.call('EXISTS', job) == 1 then return { 'exists', id } end
if ARGV[10] ~= '' and redis.call('HGET', root .. ':batch:' .. ARGV[10], 'status') ~= 'in_progress' then return { 'closed', id } end
local images = cjson.decode(ARGV[16])
local line = read_line(KEYS[7], ARGV[2], ARGV[10] ~= '', ARGV[15])
local full = find_full(line, #images, tonumber(ARGV[17]), tonumber(ARGV[18]))
if full then return { 'full', id, unpack(full) } end
local now = now_ms()
state = {
  id = id, account = ARGV[2], lane = ARGV[14], batch = ARGV[10] ~= '' and ARGV[10] or nil, webhook = ARGV[11] ~= '' and ARGV[11] or nil,
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
local tags, last = plan_places(line, images)
open_places(line, #tags, last, redis.call('ZCARD', KEYS[8]) == 0 and now or nil)
return { 'created', id, now, count_ahead(KEYS[8], tags[1], line.base), line.base, unpack(tags) }
