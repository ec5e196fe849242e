-- The books of one lane: in which order its calls go, how many are open, how fast they go. Every function takes the lane's
-- HASH (keys.lane):
--   v              virtual time: the greatest tag of a call that has been started
--   last:<flow>    tag of a flow's newest call; flow = <account>:<i|b>:<priority>, b = jobs of a batch
--   base           what priorities are counted from: an item's BullMQ priority is its tag − base, within 1..LAST_PRIORITY.
--                  Tags only grow and stay with their item; the sweep moves the base on (lanes/lane-upkeep.ts)
--   rebased        when it last did, ms
--   open, open:<account>   calls without an outcome, a batch's included
--   calls, images, at      what passed the paying gate, decayed exponentially (THROUGHPUT_MS), and when it was last touched
--   since                  when this began after the lane had been idle, ms
-- Order is self-clocked fair queueing: each flow's calls are spaced by their cost, and none is tagged before the lane's own
-- time, so that flows share the lane by weight and no flow starves or saves up (bullmq.md 2d).
local IMAGE_COST = { high = 1, normal = 4, low = 16 }
local LAST_PRIORITY = 2097151 -- BullMQ's
local THROUGHPUT_MS = 60000
local IDLE_CALLS = 0.5

-- What the books hold for an account's next calls, in one read: a job is recorded with this and one write.
local function read_line(lane, account, is_batch, priority)
  local line = { lane = lane, account = account, cost = IMAGE_COST[priority] }
  line.flow = 'last:' .. account .. ':' .. (is_batch and 'b' or 'i') .. ':' .. priority
  local books = redis.call('HMGET', lane, 'v', line.flow, 'base', 'open', 'open:' .. account)
  line.v, line.last, line.base = tonumber(books[1] or 0), tonumber(books[2] or 0), tonumber(books[3] or 0)
  line.in_lane, line.of_account = tonumber(books[4] or 0), tonumber(books[5] or 0)
  return line
end

-- The limit that `calls` more calls would pass, 'lane' or 'account', with how many are open in both; nil when none. A limit
-- of 0 is none, and whoever has nothing open may always bring one job.
local function find_full(line, calls, lane_limit, account_limit)
  local passes = function(count, limit) return limit > 0 and count > 0 and count + calls > limit end
  if passes(line.of_account, account_limit) then return { 'account', line.in_lane, line.of_account } end
  if passes(line.in_lane, lane_limit) then return { 'lane', line.in_lane, line.of_account } end
  return nil
end

-- The places of new calls at the end of their flow: one tag for each entry of `images` (how many each call makes).
local function plan_places(line, images)
  -- An account without open calls has nothing in line: what is left in its books are calls that were never started.
  local tag = line.of_account > 0 and math.max(line.v, line.last) or line.v
  local tags = {}
  for i, count in ipairs(images) do
    tag = tag + count * line.cost
    tags[i] = tag
  end
  return tags
end

-- Takes those places for calls that are open from now on.
local function open_places(line, tags)
  redis.call('HSET', line.lane, line.flow, tags[#tags],
    'open', line.in_lane + #tags, 'open:' .. line.account, line.of_account + #tags)
end

-- Takes those places for calls that have been open before.
local function change_places(line, tags)
  redis.call('HSET', line.lane, line.flow, tags[#tags])
end

-- How many waiting items go before one with this tag. `waiting` is BullMQ's ZSET of the lane, by priority · 2^32.
local function count_ahead(waiting, tag, base)
  local priority = math.max(1, math.min(LAST_PRIORITY, tag - base))
  return redis.call('ZCOUNT', waiting, '-inf', string.format('(%.0f', (priority + 1) * 4294967296))
end

-- A call of the account has its outcome.
local function close_open(lane, account)
  for _, field in ipairs({ 'open', 'open:' .. account }) do
    if redis.call('HINCRBY', lane, field, -1) <= 0 then redis.call('HDEL', lane, field) end
  end
end

-- A call of `images` images whose item has `tag` is about to be sent.
local function note_started(lane, tag, images, now)
  local books = redis.call('HMGET', lane, 'v', 'calls', 'images', 'at', 'since')
  local decay = math.exp((tonumber(books[4] or now) - now) / THROUGHPUT_MS)
  local calls, made, since = tonumber(books[2] or 0) * decay, tonumber(books[3] or 0) * decay, books[5]
  if calls < IDLE_CALLS or not since then calls, made, since = 0, 0, now end
  redis.call('HSET', lane, 'v', math.max(tonumber(books[1] or 0), tag), 'at', now, 'since', since,
    'calls', string.format('%.4f', calls + 1), 'images', string.format('%.4f', made + images))
end
