-- The last step before a try: is it still this item's turn? A try that was begun and never finished is logged as lost.
-- KEYS: delivery hash. ARGV: event id, turn
-- Returns {} when there is nothing to send, else {url, host, account, type, body, failures}
local facts = redis.call('HMGET', KEYS[1], 'state', 'turn', 'openAt', 'url', 'host', 'account', 'type', 'body', 'failures')
if facts[1] ~= 'pending' or facts[2] ~= ARGV[2] then return {} end
local _, _, queued = lists_of(facts[5])
if not redis.call('ZSCORE', queued, ARGV[1]) then return {} end
if facts[3] ~= '' then
  log_try(KEYS[1], { at = tonumber(facts[3]), status = cjson.null, error = 'worker_lost', ms = cjson.null })
end
redis.call('HSET', KEYS[1], 'openAt', now_ms())
return { facts[4], facts[5], facts[6], facts[7], facts[8], facts[9] }
