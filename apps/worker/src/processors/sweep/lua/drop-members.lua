-- Takes jobs that have ended, or are no longer kept, out of their batch's set of open jobs. One that runs again stays.
-- KEYS: the set, then the hash of each job
-- ARGV: the jobs' ids
-- Returns those that were taken out.
local dropped = {}
for i, id in ipairs(ARGV) do
  local state = redis.call('HGET', KEYS[i + 1], 'state')
  local status = state and cjson.decode(state).status
  local is_open = status == 'queued' or status == 'in_progress'
  if not is_open and redis.call('SREM', KEYS[1], id) == 1 then dropped[#dropped + 1] = id end
end
return dropped
