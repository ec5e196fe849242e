-- Marks an attempt as answered: from here on it is known to be paid, whatever happens to this process. The answer's links,
-- if it brought any, are written down in the same step, so that another worker can follow them.
-- KEYS: job hash
-- ARGV: call k, seq, JSON merged into the row, where the answer waits JSON ('' = its bytes are in this worker alone),
--       lease ms, owner: the answer is settled by this worker until the lease ends
-- Returns 1, or 0 when there is no such attempt. Repeating it changes nothing; a row settled meanwhile stays as it is.
local function step()
  local k, seq = ARGV[1], ARGV[2]
  local attempt, call = read_attempt(k, seq), read_call(k)
  if not attempt then return 0 end
  if is_settled(attempt) then return 1 end
  for field, value in pairs(cjson.decode(ARGV[3])) do attempt[field] = value end
  attempt.answeredAt = attempt.answeredAt or now_ms()
  -- It was given up for lost before its cost was known.
  if attempt.outcome ~= cjson.null then tick_cost(attempt) end
  if ARGV[4] ~= '' and call.outcome == '' then
    set_spooled(k, seq, call, attempt, cjson.decode(ARGV[4]))
    redis.call('SET', root .. ':spool-lease:' .. table.concat({ state.id, k, seq }, ' '), ARGV[6], 'PX', ARGV[5])
    write_call(k, call)
  end
  write_attempt(k, seq, attempt)
  return 1
end
return run(step, 0)
