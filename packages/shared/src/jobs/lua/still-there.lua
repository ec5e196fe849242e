-- Says that a host still has the bytes of an answer that waits for it. Nothing else of the row changes, so that it may be said
-- beside whoever is working on the answer.
-- KEYS: job hash
-- ARGV: call k, seq, host, until ms
-- Returns 1, or 0 when no such answer waits for this host
local function step()
  local k, seq = ARGV[1], ARGV[2]
  local attempt = read_attempt(k, seq)
  local spooled = attempt and attempt.spooled
  if not spooled or spooled.host ~= ARGV[3] then return 0 end
  spooled['until'] = math.max(spooled['until'], tonumber(ARGV[4]))
  set_spooled(k, seq, read_call(k), attempt, spooled)
  write_attempt(k, seq, attempt)
  return 1
end
return run(step, 0)
