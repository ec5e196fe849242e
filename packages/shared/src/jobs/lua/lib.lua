-- What every job step builds on. A job is one hash:
--   spec            JSON, never changes: what was asked and how it is cut into calls
--   status run createdAt startedAt finishedAt expiresAt cancelAt     times in ms
--   left            calls of this run without an outcome
--   underWay        attempts sent and not yet closed
--   images          images the job has
--   withheld        '' | 'cancelled' | 'expired': why calls of this run were not made
--   call:<k>        JSON {attempts, failed, unknown, moderated, open, outcome, error}
--   attempt:<k>.<s> JSON, one row for each request sent
--   image:<i>       JSON, first write wins
--   id account batch webhookEvents ('' or ',job.completed,…,') sequence (of its events)
-- Everything that happens to a job is said in the step that does it: one entry in the account's bounded event stream
-- (for replay), one message on the channel (for who listens now), one line in the outbox when a webhook wants it.
local root = string.match(KEYS[1], '^({.-}):')
local EVENTS_KEPT = 10000
local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function read_call(job, k)
  local raw = redis.call('HGET', job, 'call:' .. k)
  if not raw then return nil end
  return cjson.decode(raw)
end

local function write_call(job, k, call)
  redis.call('HSET', job, 'call:' .. k, cjson.encode(call))
end

local function read_attempt(job, k, seq)
  local raw = redis.call('HGET', job, 'attempt:' .. k .. '.' .. seq)
  if not raw then return nil end
  return cjson.decode(raw)
end

local function write_attempt(job, k, seq, attempt)
  redis.call('HSET', job, 'attempt:' .. k .. '.' .. seq, cjson.encode(attempt))
end

-- Message: «<stream id> <type> <job id> <status> <account> <batch or -> <image index or ->».
local function emit(job, type, image)
  local facts = redis.call('HMGET', job, 'id', 'status', 'account', 'batch', 'run', 'webhookEvents')
  local id, status, account, batch, run = facts[1], facts[2], facts[3], facts[4], facts[5]
  local sequence = redis.call('HINCRBY', job, 'sequence', 1)
  local entry = redis.call('XADD', root .. ':events:' .. account, 'MAXLEN', '~', EVENTS_KEPT, '*',
    'type', type, 'job', id, 'status', status, 'batch', batch, 'run', run, 'sequence', sequence, 'image', image or '')
  redis.call('PUBLISH', root .. ':job-changes', table.concat({ entry, type, id, status, account, batch == '' and '-' or batch, image or '-' }, ' '))
  if string.find(facts[6], ',' .. type .. ',', 1, true) then
    redis.call('ZADD', root .. ':outbox', now_ms(), table.concat({ type, id, run, sequence, image or '-' }, ' '))
  end
end

-- Ends the job when no call is left. Returns its status when this ended it, else ''.
local function settle(job, retention_ms)
  local facts = redis.call('HMGET', job, 'left', 'images', 'requested', 'withheld', 'id')
  if tonumber(facts[1]) > 0 then return '' end
  local images, requested = tonumber(facts[2]), tonumber(facts[3])
  local status = 'failed'
  if images >= requested then status = 'completed'
  elseif facts[4] ~= '' then status = facts[4]
  elseif images > 0 then status = 'incomplete' end
  redis.call('HSET', job, 'status', status, 'finishedAt', now_ms())
  redis.call('ZREM', root .. ':open-jobs', facts[5])
  if retention_ms > 0 then redis.call('PEXPIRE', job, retention_ms) end
  emit(job, 'job.' .. status)
  return status
end

-- Gives call k its outcome, once. Returns false when it had one.
local function close_call(job, k, call, outcome, err)
  if call.outcome ~= '' then return false end
  call.outcome = outcome
  call.error = err
  write_call(job, k, call)
  redis.call('HINCRBY', job, 'left', -1)
  return true
end

-- Closes an attempt whose end nobody saw. If its answer was noted it did succeed and is paid, though its images may be
-- lost; else its outcome is unknown. Either way the call may be repeated only as an unknown one.
local function close_as_unknown(job, k, call)
  local attempt = read_attempt(job, k, call.open)
  if attempt and attempt.outcome == cjson.null then
    attempt.outcome = attempt.answeredAt and 'succeeded' or 'unknown'
    attempt.code = 'worker_lost'
    write_attempt(job, k, call.open, attempt)
  end
  call.open = 0
  call.unknown = call.unknown + 1
  redis.call('HINCRBY', job, 'underWay', -1)
end
