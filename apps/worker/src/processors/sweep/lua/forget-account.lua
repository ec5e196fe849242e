-- Forgets an account that has no jobs any more; the step that records its next job brings it back.
-- KEYS: accounts, the account's jobs. ARGV: account
-- Returns 1 when it was forgotten, else 0.
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('SREM', KEYS[1], ARGV[1])
