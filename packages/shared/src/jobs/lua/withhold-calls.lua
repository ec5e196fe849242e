-- Withholds every call that is not under way: cancel, or the job's time is over. Calls under way finish.
-- KEYS: job hash
-- ARGV: reason ('cancelled'|'expired'), calls, retention ms
-- Returns {'gone'} · {'ended', status} it had ended before · {'done', status, withheld calls}
local job, reason = KEYS[1], ARGV[1]
local facts = redis.call('HMGET', job, 'status', 'left', 'expiresAt')
if not facts[1] then return { 'gone' } end
if tonumber(facts[2]) == 0 then return { 'ended', facts[1] } end
if reason == 'cancelled' then redis.call('HSETNX', job, 'cancelAt', now_ms()) end
if reason == 'expired' and now_ms() < tonumber(facts[3]) then return { 'done', facts[1], 0 } end
local withheld = 0
for k = 0, ARGV[2] - 1 do
  local call = read_call(job, k)
  if call.open == 0 and close_call(job, k, call, 'withheld', { code = reason }) then withheld = withheld + 1 end
end
if withheld > 0 then
  redis.call('HSET', job, 'withheld', reason)
  settle(job, tonumber(ARGV[3]))
end
return { 'done', redis.call('HGET', job, 'status'), withheld }
