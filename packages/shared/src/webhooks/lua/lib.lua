-- What every webhook step builds on. A delivery is one hash, delivery:<event id>:
--   id type subject account url host body createdAt      never change; times in ms
--   state       'pending' | 'delivered' | 'failed' (no tries are left) | 'gone' (the receiver wants no more)
--   failures    failed tries of this schedule; tries: of all schedules
--   turn        how often it was given to the queue: items of earlier turns do nothing
--   openAt      the try under way, '' = none
--   again       '1': start the schedule anew when the try under way fails
--   nextAt      when the next try is due, '' = none
--   log         JSON, the newest tries
-- A receiver is a host. receiver:<host> holds failures (in a row), rests (in a row), restUntil; the ZSETs beside it hold
-- its deliveries: `waiting` by when the next try is due, `queued` by when it was given to the queue. Only as many as the
-- window allows are queued, so the queue is short whatever waits, and a host that fails has fewer, then one at a time.
-- The ZSET `receivers` says when to look at each host again.
local root = string.match(KEYS[1], '^({.-}):')
local TRIES_LOGGED = 50
local GIVEN_UP_AT_ONCE = 100

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function delivery_of(id)
  return root .. ':delivery:' .. id
end

local function lists_of(host)
  local receiver = root .. ':receiver:' .. host
  return receiver, receiver .. ':waiting', receiver .. ':queued'
end

-- Removes an event from the outbox, and its host when that was the last.
local function take_out(host, line)
  redis.call('ZREM', root .. ':outbox:' .. host, line)
  if redis.call('EXISTS', root .. ':outbox:' .. host) == 0 then redis.call('ZREM', root .. ':outbox', host) end
end

-- Adds a row {at, status, error, ms} to a delivery's log.
local function log_try(delivery, row)
  local log = cjson.decode(redis.call('HGET', delivery, 'log'))
  log[#log + 1] = row
  if #log > TRIES_LOGGED then table.remove(log, 1) end
  redis.call('HSET', delivery, 'log', cjson.encode(log))
  redis.call('HINCRBY', delivery, 'tries', 1)
end

-- Deliveries that have been waiting since before `before` without a try fail: their host has been away all that time.
local function give_up(waiting, before, now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', before, 'LIMIT', 0, GIVEN_UP_AT_ONCE)) do
    redis.call('ZREM', waiting, id)
    if redis.call('EXISTS', delivery_of(id)) == 1 then
      log_try(delivery_of(id), { at = now, status = cjson.null, error = 'receiver_away', ms = cjson.null })
      redis.call('HSET', delivery_of(id), 'state', 'failed', 'nextAt', '')
    end
  end
end

-- When to look at the host again: what is queued may have been lost on its way, what waits becomes due.
local function plan_look(host, limits, rest_until, has_room)
  local _, waiting, queued = lists_of(host)
  local oldest = redis.call('ZRANGE', queued, 0, 0, 'WITHSCORES')[2]
  local next_due = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2]
  local look = oldest and tonumber(oldest) + limits.lostAfterMs
  if next_due and (has_room or not look) then
    local due = math.max(tonumber(next_due), rest_until)
    if not look or due < look then look = due end
  end
  if look then redis.call('ZADD', root .. ':receivers', look, host)
  else redis.call('ZREM', root .. ':receivers', host) end
end

-- Gives a host's due deliveries to the queue, as far as its window allows; whoever ran the step adds the items. Also
-- names those again that were given long ago and never came back: adding an item twice does nothing.
-- Returns {id, turn, id, turn, …}
local function admit(host, limits)
  local now = now_ms()
  local receiver, waiting, queued = lists_of(host)
  local facts = redis.call('HMGET', receiver, 'failures', 'restUntil')
  local failures, rest_until = tonumber(facts[1] or 0), tonumber(facts[2] or 0)
  local admitted = {}
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', queued, '-inf', now - limits.lostAfterMs)) do
    local turn = redis.call('HGET', delivery_of(id), 'turn')
    if turn then
      redis.call('ZADD', queued, now, id)
      admitted[#admitted + 1], admitted[#admitted + 2] = id, turn
    else
      redis.call('ZREM', queued, id)
    end
  end
  give_up(waiting, now - limits.giveUpAfterMs, now)
  local window = math.max(1, math.floor(limits.window / 2 ^ failures))
  local room = rest_until <= now and window - redis.call('ZCARD', queued) or 0
  if room > 0 then
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', waiting, '-inf', now, 'LIMIT', 0, room)) do
      redis.call('ZREM', waiting, id)
      if redis.call('EXISTS', delivery_of(id)) == 1 then
        local turn = redis.call('HINCRBY', delivery_of(id), 'turn', 1)
        redis.call('ZADD', queued, now, id)
        admitted[#admitted + 1], admitted[#admitted + 2] = id, tostring(turn)
      end
    end
  end
  plan_look(host, limits, rest_until, redis.call('ZCARD', queued) < window)
  return admitted
end
