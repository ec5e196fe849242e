-- Says where an answer waits that is paid and not in storage yet: from here on its call is neither sent again nor closed
-- without it. Also says anew what is still missing, or that its host still has it.
-- KEYS: job hash
-- ARGV: call k, seq, JSON merged into the row, where the answer waits JSON
-- Returns 'noted' · 'over' the attempt is settled, or the call has its outcome: the answer changes nothing any more ·
--         'gone' no such job or attempt
local function step()
  local k, seq = ARGV[1], ARGV[2]
  local attempt, call = read_attempt(k, seq), read_call(k)
  if not attempt then return 'gone' end
  if is_settled(attempt) then return 'over' end
  for field, value in pairs(cjson.decode(ARGV[3])) do attempt[field] = value end
  attempt.answeredAt = attempt.answeredAt or now_ms()
  if attempt.outcome ~= cjson.null then tick_cost(attempt) end
  if call.outcome == '' then
    set_spooled(k, seq, call, attempt, cjson.decode(ARGV[4]))
    write_call(k, call)
  end
  write_attempt(k, seq, attempt)
  return call.outcome == '' and 'noted' or 'over'
end
return run(step, 'gone')
