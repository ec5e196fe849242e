-- A client no longer waits: its final reply is written, or it has left.
-- KEYS: unanswered submissions of the account and fingerprint. ARGV: id, asker, 1 = its final reply is written
-- Returns 1 when somebody may still wait: its client is gone, or another waits too.
local entry = redis.call('HGET', KEYS[1] .. ':askers', ARGV[1])
if not entry then return 0 end
local living = living_askers(KEYS[1], entry, ARGV[2])
if ARGV[3] == '1' and #living == 0 then
  mark_written(KEYS[1], ARGV[1])
  return 0
end
write_unanswered(KEYS[1], ARGV[1], living)
return 1
