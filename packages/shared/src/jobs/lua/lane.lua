-- The books of one lane: in which order its calls go, how many are open, how fast they go. Every function takes the lane's
-- HASH (keys.lane):
--   v              virtual time: the greatest tag of a call that has been started
--   last:<flow>    place of a flow's newest call, its tag before rounding up; flow = <account>:<i|b>:<priority>, b = jobs of
--                  a batch. While it is ahead of v the flow has calls in line
--   base           what priorities are counted from: an item's BullMQ priority is its tag − base, within 1..LAST_PRIORITY.
--                  Tags only grow and stay with their item; the sweep moves the base on (lanes/lane-upkeep.ts)
--   rebased        when it last did, ms
--   open, open:<account>   calls without an outcome, a batch's included
--   batched        how many of `open` are a batch's: they are never refused, and must not have single jobs refused
--   calls, images, at      what passed the paying gate and was not refused, decayed exponentially (THROUGHPUT_MS) up to `at`,
--                          when a call last passed, ms
--   since, before          since when calls have waited without a break, ms, and what `images` was then: only what is
--                          started while others wait says how fast the lane can go
-- Order is self-clocked fair queueing: each flow's calls are spaced by their cost, and none is tagged before the lane's own
-- time, so that flows share the lane by weight and no flow starves or saves up (bullmq.md 2d). The flows of one account weigh
-- together what its heaviest weighs alone: what they cost rises with each that has calls in line.
local IMAGE_COST = { high = 1, normal = 4, low = 16 }
local WEIGHT = { high = 16, normal = 4, low = 1 }
local CLASSES = { 'i', 'b' }
local LAST_PRIORITY = 2097151 -- BullMQ's
local THROUGHPUT_MS = 60000
-- A stop as long as this, or so long without any start, says nothing of how fast the lane goes afterwards.
local STOP_MS = 10000
local IDLE_MS = 300000

-- The six flows an account can have, as fields of the books, and their weights.
local function flows_of(account)
  local flows, weights = {}, {}
  for _, class in ipairs(CLASSES) do
    for priority, weight in pairs(WEIGHT) do
      flows[#flows + 1], weights[#weights + 1] = 'last:' .. account .. ':' .. class .. ':' .. priority, weight
    end
  end
  return flows, weights
end

-- What the books hold for an account's next calls, in one read: a job is recorded with this and one write.
local function read_line(lane, account, is_batch, priority)
  local line = { lane = lane, account = account, is_batch = is_batch }
  local flows, weights = flows_of(account)
  line.flow = 'last:' .. account .. ':' .. (is_batch and 'b' or 'i') .. ':' .. priority
  local books = redis.call('HMGET', lane, 'v', 'base', 'open', 'open:' .. account, 'images', 'at', 'batched', unpack(flows))
  line.v, line.base = tonumber(books[1] or 0), tonumber(books[2] or 0)
  line.in_lane, line.of_account = tonumber(books[3] or 0), tonumber(books[4] or 0)
  line.images, line.at, line.batched = tonumber(books[5] or 0), tonumber(books[6] or 0), tonumber(books[7] or 0)
  line.last = line.v
  local sum, most = 0, 0
  for i, flow in ipairs(flows) do
    -- An account without open calls has nothing in line: what is left in its books are calls that were never started.
    local last = line.of_account > 0 and tonumber(books[7 + i] or 0) or 0
    if flow == line.flow then line.last = math.max(line.v, last) end
    if flow == line.flow or last > line.v then sum, most = sum + weights[i], math.max(most, weights[i]) end
  end
  line.cost = IMAGE_COST[priority] * sum / most
  return line
end

-- The limit that `calls` more calls would pass: 'account', with how many are open in the lane and of the account, or 'lane', with
-- how many of single jobs; nil when none. A limit of 0 is none, and whoever has nothing open may always bring one job.
local function find_full(line, calls, lane_limit, account_limit)
  local passes = function(count, limit) return limit > 0 and count > 0 and count + calls > limit end
  if passes(line.of_account, account_limit) then return { 'account', line.in_lane, line.of_account } end
  local single = line.in_lane - line.batched
  if passes(single, lane_limit) then return { 'lane', single, line.of_account } end
  return nil
end

-- The places of new calls at the end of their flow: one tag for each entry of `images` (how many each call makes), and where
-- the flow ends then.
local function plan_places(line, images)
  local last, tags = line.last, {}
  for i, count in ipairs(images) do
    last = last + count * line.cost
    tags[i] = math.ceil(last)
  end
  return tags, last
end

-- What is left at `now` of a count of `at`; all of it after a clock was set back.
local function decayed(count, at, now)
  return count * math.exp(math.min(0, at - now) / THROUGHPUT_MS)
end

-- Takes those places for `calls` calls that are open from now on. `idle_at`: nobody waits at this time, ms; nil = somebody does.
local function open_places(line, calls, last, idle_at)
  local changes = { line.flow, last, 'open', line.in_lane + calls, 'open:' .. line.account, line.of_account + calls }
  local function change(field, value) changes[#changes + 1], changes[#changes + 2] = field, value end
  if line.is_batch then change('batched', line.batched + calls) end
  if idle_at then
    change('since', idle_at)
    change('before', string.format('%.4f', decayed(line.images, line.at, idle_at)))
  end
  redis.call('HSET', line.lane, unpack(changes))
end

-- Takes those places for calls that have been open before.
local function change_places(line, last)
  redis.call('HSET', line.lane, line.flow, last)
end

-- How many waiting items go before one with this tag. `waiting` is BullMQ's ZSET of the lane, by priority · 2^32.
local function count_ahead(waiting, tag, base)
  local priority = math.max(1, math.min(LAST_PRIORITY, tag - base))
  return redis.call('ZCOUNT', waiting, '-inf', string.format('(%.0f', (priority + 1) * 4294967296))
end

-- A call of the account has its outcome.
local function close_open(lane, account, is_batch)
  for _, field in ipairs({ 'open', 'open:' .. account, is_batch and 'batched' or nil }) do
    if redis.call('HINCRBY', lane, field, -1) <= 0 then redis.call('HDEL', lane, field) end
  end
end

-- A call of `images` images whose item has `tag` is about to be sent. `stopped_until`: the end of its limits' last stop, ms.
local function note_started(lane, tag, images, now, stopped_until)
  local books = redis.call('HMGET', lane, 'v', 'calls', 'images', 'at', 'since', 'before')
  local at, since, before = tonumber(books[4] or 0), books[5], books[6] or 0
  local calls, made = decayed(tonumber(books[2] or 0), at, now), decayed(tonumber(books[3] or 0), at, now)
  if not since or now - at > IDLE_MS or (stopped_until or 0) - at > STOP_MS then
    since, before = now, string.format('%.4f', made)
  end
  redis.call('HSET', lane, 'v', math.max(tonumber(books[1] or 0), tag), 'at', now, 'since', since, 'before', before,
    'calls', string.format('%.4f', calls + 1), 'images', string.format('%.4f', made + images))
end

-- That call, started at `started_at`, has brought nothing and is still to be made: the lane has not come further by it.
local function note_refused(lane, images, started_at)
  local books = redis.call('HMGET', lane, 'calls', 'images', 'at')
  if not books[3] then return end
  local worth = decayed(1, started_at, tonumber(books[3]))
  redis.call('HSET', lane, 'calls', string.format('%.4f', math.max(0, tonumber(books[1]) - worth)),
    'images', string.format('%.4f', math.max(0, tonumber(books[2]) - worth * images)))
end
