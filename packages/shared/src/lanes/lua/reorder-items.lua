-- Gives a lane's items the priorities their tags have under the lane's base, some at a time from the front on. The first
-- step also sees to items that are not waiting now: they come back with the priority in their hash. Items keep their order
-- among equals. Safe to repeat.
-- KEYS: lane's books, then BullMQ's of the lane: waiting ZSET, delayed ZSET, active LIST
-- ARGV: prefix of the items' hashes, score to go on behind ('' = from the front), items to see to, BullMQ's last priority
-- Returns {score of the last item seen, items seen, items changed}
local base = tonumber(redis.call('HGET', KEYS[1], 'base') or 0)
local changed = 0

-- nil for an item without a tag, and one that has just gone.
local function wanted_of(id)
  local data = redis.call('HGET', ARGV[1] .. id, 'data')
  local tag = data and cjson.decode(data).tag
  return tag and math.max(1, math.min(tonumber(ARGV[4]), tag - base))
end

if ARGV[2] == '' then
  for _, ids in ipairs({ redis.call('ZRANGE', KEYS[3], 0, -1), redis.call('LRANGE', KEYS[4], 0, -1) }) do
    for _, id in ipairs(ids) do
      local wanted = wanted_of(id)
      if wanted then redis.call('HSET', ARGV[1] .. id, 'priority', wanted) end
    end
  end
end

local from = ARGV[2] == '' and '-inf' or '(' .. ARGV[2]
local items = redis.call('ZRANGEBYSCORE', KEYS[2], from, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
for i = 1, #items, 2 do
  local wanted, score = wanted_of(items[i]), tonumber(items[i + 1])
  if wanted and wanted ~= math.floor(score / 4294967296) then
    redis.call('ZADD', KEYS[2], string.format('%.0f', wanted * 4294967296 + score % 4294967296), items[i])
    redis.call('HSET', ARGV[1] .. items[i], 'priority', wanted)
    changed = changed + 1
  end
end
return { items[#items] or '', #items / 2, changed }
