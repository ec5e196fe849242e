-- Closes the open attempt of a call whose worker is gone: what it may have cost is shown. For whoever has the call's queue item
-- now, before anything is waited for, and for the sweep when nobody has: a call that is over or must not be repeated ends here
-- and needs no permit for that.
-- KEYS: job hash, the queue item's lock. ARGV: call k, lock token ('' = nobody's), run, on_unknown ('retry'|'fail'), retention ms
-- Returns {'none'} there was none to close · {'closed', the call's outcome ('' = work is left), the job's status when this ended
-- it, else ''}
local function step()
  local k = ARGV[1]
  local call = read_call(k)
  if call.open == 0 or tonumber(ARGV[3]) ~= state.run then return { 'none' } end
  if (redis.call('GET', KEYS[2]) or '') ~= ARGV[2] then return { 'none' } end
  local attempt = read_attempt(k, call.open)
  if attempt and attempt.spooled then return { 'none' } end -- its own answer is what waits
  close_as_unknown(k, call)
  write_call(k, call)
  if call.outcome ~= '' or is_spooled(call) or not end_unrepeatable(k, call, ARGV[4]) then
    return { 'closed', call.outcome, '' }
  end
  return { 'closed', call.outcome, settle(tonumber(ARGV[5])) }
end
return run(step, { 'none' })
