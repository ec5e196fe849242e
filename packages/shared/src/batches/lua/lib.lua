-- What every batch step builds on. A batch is one hash:
--   id account spec (JSON, never changes) status run createdAt expiresAt at:<status>      times in ms
--   total invalid cursorByte cursorLine fedLine reachedLine problems (JSON) ending outputFileId errorFileId
--   submitted completed failed images costMicroUsd costUnknown inputTokens outputTokens    ticked by the job steps
--   sequence webhookEvents event (id of its newest entry in the account's event stream)
-- the SET <batch>:open of its jobs that have not ended, and the HASH <batch>:unmade of lines that were fed and made no job.
local root = string.match(KEYS[1], '^({.-}):')
local EVENTS_KEPT = 10000

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Says what happened to the batch in the step that does it; see emit in jobs/lua/lib.lua. The job's place is '-'.
local function emit(batch, type)
  local facts = redis.call('HMGET', batch, 'id', 'status', 'account', 'run', 'webhookEvents')
  local sequence = redis.call('HINCRBY', batch, 'sequence', 1)
  local entry = redis.call('XADD', root .. ':events:' .. facts[3], 'MAXLEN', '~', EVENTS_KEPT, '*',
    'type', type, 'job', '', 'status', facts[2], 'batch', facts[1], 'run', facts[4], 'sequence', sequence, 'image', '')
  redis.call('HSET', batch, 'event', entry)
  redis.call('PUBLISH', root .. ':job-changes', table.concat({ entry, type, '-', facts[2], facts[3], facts[1], '-' }, ' '))
  if string.find(facts[5], ',' .. type .. ',', 1, true) then
    local host = string.match(facts[5], '[^,]*$')
    redis.call('ZADD', root .. ':outbox:' .. host, now_ms(), table.concat({ type, facts[1], facts[4], sequence, '-' }, ' '))
    redis.call('ZADD', root .. ':outbox', 'LT', now_ms(), host)
    redis.call('PUBLISH', root .. ':outbox-changes', host)
  end
end

local ENDED = { failed = true, completed = true, expired = true, cancelled = true }

-- Moves the batch to a status. An ended one leaves the list of open batches and is kept for its retention.
local function move(batch, status, retention_ms)
  redis.call('HSET', batch, 'status', status, 'at:' .. status, now_ms())
  if not ENDED[status] then return end
  redis.call('HSET', batch, 'ended', 1)
  redis.call('ZREM', root .. ':open-batches', redis.call('HGET', batch, 'id'))
  if retention_ms > 0 then
    redis.call('PEXPIRE', batch, retention_ms)
    redis.call('PEXPIRE', batch .. ':unmade', retention_ms)
  end
  emit(batch, 'batch.' .. status)
end
