-- Asks for an end: nothing more is fed, jobs that wait are withheld, what is paid is kept.
-- KEYS: batch hash. Returns the status afterwards, or '' when there is no such batch.
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return '' end
if status == 'validating' or status == 'in_progress' then
  move(KEYS[1], 'cancelling', 0)
  return 'cancelling'
end
return status
