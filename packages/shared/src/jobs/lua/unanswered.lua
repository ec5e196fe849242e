-- Submissions whose final reply may not have arrived yet, by account and fingerprint: what a client's own retry joins.
--   <list>         ZSET of job or batch ids, by when they were made, ms
--   <list>:askers  HASH id → «<last touched ms> <asker> …», the clients still waiting for its reply; none: its client is gone;
--                  or «w<ms.µs>»: its final reply was written then
-- An asker is «<process>.<number>»; those of a process whose heartbeat has ended are gone with it. An entry nobody waits for
-- is dropped LIFE_MS after it was last touched, or when what it names is no longer kept.
local UNANSWERED_LIFE_MS = 3600000
-- A written reply may still be lost on its way, behind a proxy most of all; SDKs ask again after 0.5 to 8 s.
local WRITTEN_LIFE_MS = 15000
local CHUNK = 100
local DROPPED_AT_ONCE = 10

local function unanswered_now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The askers of an entry whose processes live, without `except`.
local function living_askers(list, entry, except)
  local processes = string.match(list, '^({.-}):') .. ':api-process:'
  local living = {}
  for asker in string.gmatch(entry, '[^ ]+') do
    local process = string.match(asker, '^([^.]+)%.')
    if process and asker ~= except and redis.call('EXISTS', processes .. process) == 1 then living[#living + 1] = asker end
  end
  return living
end

local function write_unanswered(list, id, askers)
  table.insert(askers, 1, string.format('%d', unanswered_now()))
  redis.call('HSET', list .. ':askers', id, table.concat(askers, ' '))
  redis.call('PEXPIRE', list, UNANSWERED_LIFE_MS)
  redis.call('PEXPIRE', list .. ':askers', UNANSWERED_LIFE_MS)
end

-- Whether this client waits for `id` already.
local function is_asking(list, id, asker)
  local entry = asker ~= '' and redis.call('HGET', list .. ':askers', id)
  return entry and string.find(' ' .. entry .. ' ', ' ' .. asker .. ' ', 1, true) ~= nil
end

local function drop_unanswered(list, id)
  redis.call('ZREM', list, id)
  redis.call('HDEL', list .. ':askers', id)
end

-- Kept for a moment, for a retry that tells that the reply never arrived. To the microsecond: which of several was written
-- first decides who gets which.
local function mark_written(list, id)
  local t = redis.call('TIME')
  redis.call('HSET', list .. ':askers', id, string.format('w%.3f', t[1] * 1000 + t[2] / 1000))
  if redis.call('ZCARD', list) > 1 then return end
  redis.call('PEXPIRE', list, WRITTEN_LIFE_MS)
  redis.call('PEXPIRE', list .. ':askers', WRITTEN_LIFE_MS)
end

-- When an entry nobody waits for is over, ms; and when its reply was written, if it was.
local function end_of(entry)
  local at = tonumber(string.match(entry, '^w([%d.]+)$'))
  return at and at + WRITTEN_LIFE_MS or tonumber(string.match(entry, '^%d+')) + UNANSWERED_LIFE_MS, at
end

-- Some of the oldest entries go with each new one, so that the list of a body that is sent again and again stays short.
local function drop_over(list)
  local ids = redis.call('ZRANGE', list, 0, DROPPED_AT_ONCE - 1)
  if #ids == 0 then return end
  local entries = redis.call('HMGET', list .. ':askers', unpack(ids))
  for i, id in ipairs(ids) do
    local entry = entries[i] or '0'
    if end_of(entry) < unanswered_now() and #living_askers(list, entry, '') == 0 then drop_unanswered(list, id) end
  end
end

local function add_unanswered(list, id, made_at, asker)
  drop_over(list)
  redis.call('ZADD', list, made_at, id)
  write_unanswered(list, id, { asker })
end

-- The oldest entry whose client is gone; else the oldest of those that fewest wait for, so that two retries of clients
-- nobody saw leave do not share one either; else, of those whose reply was written a moment ago, the one whose was written
-- first: joined and written again it is the last, so that each lost reply finds its own. `asker` then waits for it. nil when
-- there is none.
local function join_unanswered(list, asker)
  local root = string.match(list, '^({.-}):')
  local best, best_askers = nil, nil
  local written, written_at = nil, nil
  local start = 0
  while true do
    local ids = redis.call('ZRANGE', list, start, start + CHUNK - 1)
    if #ids == 0 then break end
    local entries = redis.call('HMGET', list .. ':askers', unpack(ids))
    for i, id in ipairs(ids) do
      local entry = entries[i] or '0'
      local living = living_askers(list, entry, '')
      local ends_at, at = end_of(entry)
      local kind = string.sub(id, 1, 6) == 'batch_' and ':batch:' or ':job:'
      local is_over = #living == 0 and ends_at < unanswered_now()
      if is_over or redis.call('EXISTS', root .. kind .. id) == 0 then
        drop_unanswered(list, id)
      elseif at then
        if not written or at < written_at then written, written_at = id, at end
        start = start + 1
      elseif #living == 0 then
        write_unanswered(list, id, { asker })
        return id
      else
        if not best or #living < #best_askers then best, best_askers = id, living end
        start = start + 1
      end
    end
  end
  best, best_askers = best or written, best_askers or {}
  if not best then return nil end
  best_askers[#best_askers + 1] = asker
  write_unanswered(list, best, best_askers)
  return best
end
