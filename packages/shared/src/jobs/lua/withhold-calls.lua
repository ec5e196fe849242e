-- Withholds every call that is not under way: cancel, or the job's time is over. Calls under way finish, and so do those
-- whose answers wait for storage.
-- KEYS: job hash
-- ARGV: reason ('cancelled'|'expired'), calls, retention ms
-- Returns {'gone'} · {'ended', status} it had ended before · {'done', status, withheld calls}
local function step()
  local reason = ARGV[1]
  if state.left == 0 then return { 'ended', state.status } end
  if reason == 'cancelled' then state.cancelAt = state.cancelAt or now_ms() end
  if reason == 'expired' and now_ms() < state.expiresAt then return { 'done', state.status, 0 } end
  local withheld = 0
  for k = 0, ARGV[2] - 1 do
    local call = read_call(k)
    if call.open == 0 and not is_spooled(call) and close_call(k, call, 'withheld', reason_of(call, reason)) then withheld = withheld + 1 end
  end
  if withheld > 0 then
    state.withheld = reason
    settle(tonumber(ARGV[3]))
  end
  return { 'done', state.status, withheld }
end
return run(step, { 'gone' })
