-- What every job step builds on, with lane.lua before it. A job is one hash with few fields, because each costs Redis some 65 bytes of its own:
--   spec            JSON, never changes: what was asked and how it is cut into calls
--   state           JSON {id, account, batch, run, status, createdAt, startedAt, finishedAt, expiresAt, cancelAt (ms),
--                     left       calls of this run without an outcome
--                     underWay   attempts sent and not yet closed
--                     images, requested
--                     withheld   'cancelled' | 'expired', absent: why calls of this run were not made
--                     lane       whose books count its open calls; absent in jobs recorded before there were any
--                     webhook    ',job.completed,…,<host>', absent: the events its webhook wants, its host
--                     sequence   of its events; event: id of its newest entry in the account's event stream}
--   call:<k>        JSON {attempts, failed, unknown, moderated, open, outcome, error,
--                     spooled    attempts whose answers are paid and wait for storage; absent = none}
--                     gone once it has succeeded and no attempt is open
--   attempt:<k>.<s> JSON, one row for each request sent
--   image:<i>       JSON, first write wins
-- A step is a function that reads and changes `state`; `run` loads it before and saves it after.
-- Everything that happens to a job is said in the step that does it: one entry in the account's bounded event stream
-- (for replay), one message on the channel (for who listens now), one line in the outbox when a webhook wants it.
local job = KEYS[1]
local root = string.match(job, '^({.-}):')
local EVENTS_KEPT = 10000
local state = nil

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Runs a step on the job, or answers `gone` when there is none.
local function run(step, gone)
  local raw = redis.call('HGET', job, 'state')
  if not raw then return gone end
  state = cjson.decode(raw)
  local reply = step()
  local after = cjson.encode(state)
  if after ~= raw then redis.call('HSET', job, 'state', after) end
  return reply
end

-- A call without a row has succeeded: its images tell, and a batch has 50,000 of them.
local function read_call(k)
  local raw = redis.call('HGET', job, 'call:' .. k)
  if raw then return cjson.decode(raw) end
  return { attempts = 0, failed = 0, unknown = 0, moderated = 0, open = 0, outcome = 'succeeded' }
end

local function write_call(k, call)
  if call.outcome == 'succeeded' and call.open == 0 then redis.call('HDEL', job, 'call:' .. k)
  else redis.call('HSET', job, 'call:' .. k, cjson.encode(call)) end
end

local function read_attempt(k, seq)
  local raw = redis.call('HGET', job, 'attempt:' .. k .. '.' .. seq)
  if not raw then return nil end
  return cjson.decode(raw)
end

local function write_attempt(k, seq, attempt)
  redis.call('HSET', job, 'attempt:' .. k .. '.' .. seq, cjson.encode(attempt))
end

-- Message: «<stream id> <type> <job id> <status> <account> <batch or -> <image index or ->».
local function emit(type, image)
  state.sequence = state.sequence + 1
  state.event = redis.call('XADD', root .. ':events:' .. state.account, 'MAXLEN', '~', EVENTS_KEPT, '*',
    'type', type, 'job', state.id, 'status', state.status, 'batch', state.batch or '', 'run', state.run,
    'sequence', state.sequence, 'image', image or '')
  redis.call('PUBLISH', root .. ':job-changes', table.concat(
    { state.event, type, state.id, state.status, state.account, state.batch or '-', image or '-' }, ' '))
  if state.webhook and string.find(state.webhook, ',' .. type .. ',', 1, true) then
    local host = string.match(state.webhook, '[^,]*$')
    redis.call('ZADD', root .. ':outbox:' .. host, now_ms(),
      table.concat({ type, state.id, state.run, state.sequence, image or '-' }, ' '))
    redis.call('ZADD', root .. ':outbox', 'LT', now_ms(), host)
    redis.call('PUBLISH', root .. ':outbox-changes', host)
  end
end

-- nil for a job of no batch, and when its batch is no longer kept.
local function batch_key()
  local key = state.batch and root .. ':batch:' .. state.batch
  return key and redis.call('EXISTS', key) == 1 and key or nil
end

-- Whether no batch runs this job: it is of none, or its batch has ended or is no longer kept.
local function is_batch_over()
  local batch = batch_key()
  return not batch or redis.call('HEXISTS', batch, 'ended') == 1
end

-- A job of a batch has ended: some images are enough for its line to count as completed.
local function tick_batch()
  local batch = batch_key()
  if not batch then return end
  redis.call('SREM', batch .. ':open', state.id)
  redis.call('HINCRBY', batch, state.images > 0 and 'completed' or 'failed', 1)
  if state.withheld == 'expired' then redis.call('HINCRBY', batch, 'expired', 1) end
end

-- Counts what an attempt cost towards its job's batch, once.
local function tick_cost(attempt)
  local batch = batch_key()
  if not batch or attempt.ticked or attempt.costMicroUsd == nil then return end
  attempt.ticked = 1
  if attempt.costMicroUsd == cjson.null then redis.call('HSET', batch, 'costUnknown', 1)
  else redis.call('HINCRBY', batch, 'costMicroUsd', attempt.costMicroUsd) end
  redis.call('HINCRBY', batch, 'inputTokens', attempt.inputTokens or 0)
  redis.call('HINCRBY', batch, 'outputTokens', attempt.outputTokens or 0)
end

-- Ends the job when no call is left. Returns its status when this ended it, else ''.
local function settle(retention_ms)
  if state.left > 0 then return '' end
  if state.images >= state.requested then state.status = 'completed'
  elseif state.withheld then state.status = state.withheld
  elseif state.images > 0 then state.status = 'incomplete'
  else state.status = 'failed' end
  state.finishedAt = now_ms()
  redis.call('ZREM', root .. ':open-jobs', state.id)
  -- A batch's jobs are kept as long as their batch, from its end on; one that was run again after that for itself.
  if retention_ms > 0 and is_batch_over() then redis.call('PEXPIRE', job, retention_ms) end
  tick_batch()
  emit('job.' .. state.status)
  return state.status
end

-- Gives call k its outcome, once. Returns false when it had one.
local function close_call(k, call, outcome, err)
  if call.outcome ~= '' then return false end
  call.outcome = outcome
  call.error = err
  write_call(k, call)
  state.left = state.left - 1
  if state.lane then close_open(root .. ':lane:' .. state.lane, state.account, state.batch ~= nil) end
  return true
end

-- Why a call that is withheld has no image. One that was sent must not be told as never requested: it may have been paid when
-- nobody knows its outcome, else what the upstream said last is why.
local function reason_of(call, reason)
  if call.unknown > 0 then return { code = 'outcome_unknown' } end
  return call.failed + call.moderated > 0 and call.error or { code = reason }
end

-- Withholds call k when its job was cancelled or its time is over. Returns whether it was; `settle` then.
local function withhold_if_over(k, call)
  local reason = (state.cancelAt and 'cancelled') or (now_ms() >= state.expiresAt and 'expired')
  if not reason then return false end
  state.withheld = reason
  return close_call(k, call, 'withheld', reason_of(call, reason))
end

-- A call that waits for an answer already paid is neither sent again nor closed by anything but that answer's end.
local function is_spooled(call)
  return (call.spooled or 0) > 0
end

-- Whether an attempt's end was written by whoever knew it; one closed for a lost worker has no `endedAt`.
local function is_settled(attempt)
  return attempt.endedAt ~= nil and attempt.outcome ~= 'unknown'
end

-- Says where the answer of attempt k.seq waits (record.ts, SpooledAnswerRow), or with nil that it no longer does. The
-- caller writes both rows.
local function set_spooled(k, seq, call, attempt, spooled)
  local entry = table.concat({ state.id, k, seq }, ' ')
  local count = (call.spooled or 0) + (spooled and 1 or 0) - (attempt.spooled and 1 or 0)
  call.spooled = count > 0 and count or nil
  attempt.spooled = spooled
  if spooled then redis.call('ZADD', root .. ':spooled', spooled['until'], entry)
  else redis.call('ZREM', root .. ':spooled', entry) end
  -- Without bytes on a host there is nothing left to copy.
  if not spooled or spooled.host == cjson.null then
    redis.call('DEL', root .. ':spool-copy:' .. entry)
    redis.call('HDEL', root .. ':spool-copies', entry)
  end
end

-- Closes an attempt whose end nobody saw. If its answer was noted it did succeed and is paid, though its images may be
-- lost; else its outcome is unknown. Either way the call may be repeated only as an unknown one. Never for an answer that
-- is spooled.
local function close_as_unknown(k, call)
  local attempt = read_attempt(k, call.open)
  if attempt and attempt.outcome == cjson.null then
    attempt.outcome = attempt.answeredAt and 'succeeded' or 'unknown'
    attempt.code = 'worker_lost'
    tick_cost(attempt)
    write_attempt(k, call.open, attempt)
  end
  call.open = 0
  call.unknown = call.unknown + 1
  -- Whatever an earlier attempt met is not why the call is not repeated.
  call.error = { code = 'outcome_unknown' }
  state.underWay = state.underWay - 1
end

-- Ends call k, of which nothing is under way, when no request may follow. Returns 'withheld' (cancelled, or its time is over) ·
-- 'unknown' (an attempt may have been paid, and must not be repeated) · nil. `settle` then.
local function end_unrepeatable(k, call, on_unknown)
  if withhold_if_over(k, call) then return 'withheld' end
  if call.unknown == 0 or (on_unknown ~= 'fail' and call.unknown == 1) then return nil end
  close_call(k, call, 'failed', call.error or { code = 'outcome_unknown' })
  return 'unknown'
end
