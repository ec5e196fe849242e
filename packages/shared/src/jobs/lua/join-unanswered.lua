-- A client's own retry looks for what its earlier try has made.
-- KEYS: unanswered submissions of the account and fingerprint. ARGV: asker
-- Returns the id it waits for from now on, or nil. Two retries never get the same entry of a client that is gone.
return join_unanswered(KEYS[1], ARGV[1])
