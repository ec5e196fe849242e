-- Keeps a lane's books short and its priorities within BullMQ's range. Safe to repeat; the fields are those of
-- jobs/lua/lane.lua.
-- KEYS: lane's books, the lane's waiting items (BullMQ's)
-- ARGV: how far the virtual time may go past the base
-- Returns {1 = the lane is empty and its order was forgotten, flows forgotten, ms since the base was moved on; -1 = never}
local books, cleared, pruned = {}, 0, {}
local raw = redis.call('HGETALL', KEYS[1])
for i = 1, #raw, 2 do books[raw[i]] = raw[i + 1] end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local v, base = tonumber(books.v or 0), tonumber(books.base or 0)
local is_empty = not books.open and redis.call('ZCARD', KEYS[2]) == 0
for field, value in pairs(books) do
  -- A flow that is not ahead of the lane's time is tagged as one that was never seen.
  if string.sub(field, 1, 5) == 'last:' and (is_empty or tonumber(value) <= v) then pruned[#pruned + 1] = field end
end
for first = 1, #pruned, 1000 do
  redis.call('HDEL', KEYS[1], unpack(pruned, first, math.min(first + 999, #pruned)))
end
if is_empty then
  cleared = redis.call('HDEL', KEYS[1], 'v', 'base', 'rebased') > 0 and 1 or 0
elseif v - base > tonumber(ARGV[1]) then
  -- The next waiting items get 1 and on; their order is mended afterwards, item by item (reorder-items.lua).
  redis.call('HSET', KEYS[1], 'base', v - 1, 'rebased', now)
  books.rebased = now
end
return { cleared, #pruned, books.rebased and cleared == 0 and now - books.rebased or -1 }
