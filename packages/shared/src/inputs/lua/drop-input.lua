-- Forgets an input image whose bytes a sweep has removed; nothing happens when its claim was taken over meanwhile.
-- KEYS: inputs, input hash. ARGV: member, id of the claim
-- Returns 1 when it is forgotten, else 0.
if redis.call('HGET', KEYS[2], 'claimedBy') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
