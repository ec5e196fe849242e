-- Idempotency keys: one HASH {job, fingerprint} for each key of an account, `job` being what it made. A fingerprint of ''
-- means that the caller gave no key.

-- What the key has made: nil · {'exists', id} · {'conflict', id}, it was used for another body.
local function find_by_key(key, fingerprint)
  if fingerprint == '' then return nil end
  local earlier = redis.call('HMGET', key, 'job', 'fingerprint')
  if not earlier[1] then return nil end
  return { earlier[2] == fingerprint and 'exists' or 'conflict', earlier[1] }
end

local function remember_key(key, fingerprint, id, life_ms)
  if fingerprint == '' then return end
  redis.call('HSET', key, 'job', id, 'fingerprint', fingerprint)
  redis.call('PEXPIRE', key, life_ms)
end
