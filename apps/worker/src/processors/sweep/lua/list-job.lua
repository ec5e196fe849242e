-- Puts a job that has not ended back on the list of open jobs, to be looked at now.
-- KEYS: open jobs, job hash. ARGV: job id
-- Returns 1 when it was missing there, else 0.
local state = redis.call('HGET', KEYS[2], 'state')
local status = state and cjson.decode(state).status
if status ~= 'queued' and status ~= 'in_progress' then return 0 end
local t = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'NX', t[1] * 1000 + math.floor(t[2] / 1000), ARGV[1])
