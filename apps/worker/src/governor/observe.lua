-- Learns from a reply: limits, and how much of them is left. Needs bucket.lua.
-- A limit replaces the one learned before, up or down. What is left is compared with what should be left by our own books:
-- when others use the same account there is less, and the bucket is emptied by as much, never filled.
-- KEYS: the bucket the reply is about, then the call's other buckets
-- ARGV: facts JSON {limits, remaining by meter; receipt of the permit}, then of each bucket: images, requests, tokens a
--       minute as told, burst ms, concurrency
-- Returns 1.
local now = now_ms()
local facts = cjson.decode(ARGV[1])
local TOLD_AGAIN_MS = 60000

-- What has been taken keeps its worth: at half the rate it takes twice as long to refill.
local function learn(b, told, meter, limit)
  local before = limit_of(b, told, meter, now)
  local tat, changes = b['tat.' .. meter] or 0, {}
  changes['learned.' .. meter], changes['learnedAt.' .. meter] = limit, now
  b['learned.' .. meter], b['learnedAt.' .. meter] = limit, now
  -- Should it ever be forgotten, calls begin slowly once more.
  redis.call('HDEL', b.name, 'easedFrom')
  local after = limit_of(b, told, meter, now)
  -- In what was sent the new limit has another share, and it may be of a call that this limit has refused.
  if after ~= before then changes['sent.' .. meter] = 0 end
  if before > 0 and after ~= before and tat > now then
    changes['tat.' .. meter] = now + (tat - now) * before / after
    changes['slack.' .. meter], changes['slackBefore.' .. meter] = 0, 0
  end
  write_bucket(b, changes)
end

-- `left` of `limit` was left when the call had been counted, at its start at the earliest; what was taken since has gone off it.
-- Of a call from before a stop it is not known what was: the permits of then are void, and still among what was taken while
-- their calls wake up. The stop has emptied the bucket anyway.
local function believe(b, told, meter, left, limit)
  if facts.receipt.buckets[1].epoch ~= (b.epoch or 0) then return end
  local since = math.max(0, (b['total.' .. meter] or 0) - facts.receipt.totals[meter])
  local line = facts.receipt.start + told.burst + (since - left) * 60000 / limit
  if line > now and line > (b['tat.' .. meter] or 0) then write_bucket(b, { ['tat.' .. meter] = line }) end
end

for i, name in ipairs(KEYS) do
  local b, told = read_bucket(name), told_at(i * 5 - 3)
  for _, meter in ipairs(METERS) do
    local limit, learned = facts.limits[meter], learned_of(b, meter, now)
    if learned == 0 then learned = nil end
    if limit and limit == learned and now - (b['learnedAt.' .. meter] or 0) > TOLD_AGAIN_MS then
      write_bucket(b, { ['learnedAt.' .. meter] = now })
    end
    -- Headers tell the tightest limit of a call, so a shared one that is known can't be lower.
    if limit and limit ~= learned and (i == 1 or (learned and limit > learned)) then learn(b, told, meter, limit) end
    if i == 1 and facts.remaining[meter] then believe(b, told, meter, facts.remaining[meter], limit) end
  end
end
return 1
