-- Closes the open attempt of a call that has its outcome from an earlier one, or whose earlier answer waits for storage, when
-- the worker that made it is gone: what it may have cost is shown. For whoever has the call's queue item now.
-- KEYS: job hash, the queue item's lock. ARGV: call k, lock token. Returns 1 when it closed one.
local function step()
  local k = ARGV[1]
  local call = read_call(k)
  if (call.outcome == '' and not is_spooled(call)) or call.open == 0 then return 0 end
  if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
  local attempt = read_attempt(k, call.open)
  if attempt and attempt.spooled then return 0 end -- its own answer is what waits
  close_as_unknown(k, call)
  write_call(k, call)
  return 1
end
return run(step, 0)
