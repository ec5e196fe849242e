-- Fails a call for good without a request: what it needs is gone. Asks what the paying gate asks first, so that a call
-- which must be given up for another reason is given up for that one.
-- KEYS: job hash, the queue item's lock
-- ARGV: call k, lock token, run, error JSON, retention ms
-- Returns {'gone'} no such job · {'done'} the call has its outcome · {'lost'} the item is another worker's now ·
--         {'spooled'} an earlier attempt's answer waits for storage ·
--         {'withheld'|'failed', the job's status when this ended it, else ''}
local function step()
  local k = ARGV[1]
  local call = read_call(k)
  if call.outcome ~= '' or tonumber(ARGV[3]) ~= state.run then return { 'done' } end
  if redis.call('GET', KEYS[2]) ~= ARGV[2] then return { 'lost' } end
  if is_spooled(call) then return { 'spooled' } end
  if call.open ~= 0 then close_as_unknown(k, call) end
  if withhold_if_over(k, call) then return { 'withheld', settle(tonumber(ARGV[5])) } end
  close_call(k, call, 'failed', cjson.decode(ARGV[4]))
  return { 'failed', settle(tonumber(ARGV[5])) }
end
return run(step, { 'gone' })
