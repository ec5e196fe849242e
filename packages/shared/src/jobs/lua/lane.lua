-- The books of one lane: in which order its calls go, how many are open, how fast they go. Needs `root` of lib.lua's user:
-- every function takes the lane's HASH.
--   v              virtual time: the greatest tag of a call that has been started
--   last:<flow>    tag of a flow's newest call; flow = <account>:<i|b>:<priority>, b = jobs of a batch
--   open, open:<account>   calls without an outcome
--   calls, images, at      what passed the paying gate, decayed exponentially (THROUGHPUT_MS), and when it was last touched
-- Order is self-clocked fair queueing: each flow's calls are spaced by their cost, and none is tagged before the lane's own
-- time, so that flows share the lane by weight and no flow starves or saves up (bullmq.md 2d).
local IMAGE_COST = { high = 1, normal = 4, low = 16 }
-- BullMQ's highest priority.
local LAST_TAG = 2097151
local THROUGHPUT_MS = 60000

-- The tag of the flow's next call, which becomes its item's priority.
local function next_tag(lane, account, is_batch, priority, images)
  local flow = 'last:' .. account .. ':' .. (is_batch and 'b' or 'i') .. ':' .. priority
  local known = redis.call('HMGET', lane, 'v', flow)
  local tag = math.max(tonumber(known[1] or 0), tonumber(known[2] or 0)) + images * IMAGE_COST[priority]
  redis.call('HSET', lane, flow, tag)
  return math.min(LAST_TAG, tag)
end

local function count_open(lane, account, calls)
  redis.call('HINCRBY', lane, 'open', calls)
  redis.call('HINCRBY', lane, 'open:' .. account, calls)
end

-- A call of `images` images whose item has `tag` is about to be sent.
local function note_started(lane, tag, images, now)
  local books = redis.call('HMGET', lane, 'v', 'calls', 'images', 'at')
  local decay = math.exp((tonumber(books[4] or now) - now) / THROUGHPUT_MS)
  redis.call('HSET', lane, 'v', math.max(tonumber(books[1] or 0), tag), 'at', now,
    'calls', string.format('%.4f', tonumber(books[2] or 0) * decay + 1),
    'images', string.format('%.4f', tonumber(books[3] or 0) * decay + images))
end
