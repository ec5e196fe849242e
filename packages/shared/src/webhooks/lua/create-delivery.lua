-- Keeps an event as a delivery, due at once, and takes its line out of the outbox. First write wins: an event announced
-- twice stays as it was, so its body never changes.
-- KEYS: delivery hash, account's deliveries
-- ARGV: limits JSON, event id, type, subject, account, url, host, body, created at ms, retention ms,
--       the outbox's host and line
-- Returns what `admit` returns: items to add to the queue.
local now, id, host = now_ms(), ARGV[2], ARGV[7]
take_out(ARGV[11], ARGV[12])
if redis.call('EXISTS', KEYS[1]) == 1 then return {} end
redis.call('HSET', KEYS[1], 'id', id, 'type', ARGV[3], 'subject', ARGV[4], 'account', ARGV[5], 'url', ARGV[6],
  'host', host, 'body', ARGV[8], 'createdAt', ARGV[9], 'state', 'pending', 'failures', 0, 'tries', 0, 'turn', 0,
  'openAt', '', 'again', '', 'nextAt', now, 'log', '[]')
redis.call('PEXPIRE', KEYS[1], ARGV[10])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[10])
redis.call('ZADD', KEYS[2], now, id)
redis.call('PEXPIRE', KEYS[2], ARGV[10])
local _, waiting = lists_of(host)
redis.call('ZADD', waiting, now, id)
return admit(host, cjson.decode(ARGV[1]))
