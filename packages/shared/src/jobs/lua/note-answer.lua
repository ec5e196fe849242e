-- Marks an open attempt as answered: from here on it is known to be paid, whatever happens to this process.
-- KEYS: job hash. ARGV: call k, seq, JSON merged into the row. Returns 1, or 0 when there is no such attempt.
local attempt = read_attempt(ARGV[1], ARGV[2])
if not attempt then return 0 end
for field, value in pairs(cjson.decode(ARGV[3])) do attempt[field] = value end
attempt.answeredAt = now_ms()
write_attempt(ARGV[1], ARGV[2], attempt)
return 1
