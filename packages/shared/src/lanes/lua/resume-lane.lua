-- Ends by hand what keeps a lane from going on: pauses of its upstream keys, stops and lowered concurrency of its buckets
-- (apps/worker/src/governor/bucket.lua), and the rest the workers have given to lanes because of them. What the upstream
-- told of limits stays; what was guessed from a 429 that named none is forgotten with its stop.
-- KEYS: upstream key hashes, then buckets, then the lanes' rests in BullMQ
-- ARGV: number of upstream keys, number of buckets, channel, then the keys' names, then the buckets' («<key> <limit>»), then
--       each bucket's burst ms
-- Returns how many pauses and stops this ended; repeating it ends none and changes nothing.
-- A bucket goes on as when its stop ends by itself: with the room promised for then, at its rate. Its epoch rises, so that
-- permits taken before are taken anew and nobody sleeps on.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local key_count, bucket_count, channel = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local messages = {}
-- A call sleeps 10 s at most, and takes no more of a limit than what that lets through in a minute.
local LONGEST_SLEEP_MS = 10000
local LARGEST_SHARE_MS = 60000

-- Emptied for longer than permits can have done it: a reply said so, or the clock was set back.
local function is_jammed(bucket, burst)
  local furthest = now + LONGEST_SLEEP_MS + math.max(burst, LARGEST_SHARE_MS)
  for _, tat in ipairs(redis.call('HMGET', bucket, 'tat.images', 'tat.requests', 'tat.tokens')) do
    if tat and tonumber(tat) > furthest then return true end
  end
  return false
end

for i = 1, key_count do
  if redis.call('HEXISTS', KEYS[i], 'paused') == 1 then
    redis.call('HDEL', KEYS[i], 'paused', 'pausedAt', 'probeAt', 'probingUntil', 'backoff')
    redis.call('HSET', KEYS[i], 'resumedAt', now)
    messages[#messages + 1] = 'resumed ' .. ARGV[3 + i]
  end
end

for i = key_count + 1, key_count + bucket_count do
  local h = redis.call('HMGET', KEYS[i], 'notBefore', 'slowCap')
  local is_stopped = tonumber(h[1] or 0) > now or is_jammed(KEYS[i], tonumber(ARGV[3 + bucket_count + i]))
  if is_stopped then
    redis.call('HSET', KEYS[i], 'notBefore', now, 'spanAt', now)
    redis.call('HDEL', KEYS[i], 'easedFrom')
    for _, meter in ipairs({ 'images', 'requests', 'tokens' }) do
      local tat = redis.call('HGET', KEYS[i], 'tat.' .. meter)
      if tat and tonumber(tat) > now then redis.call('HSET', KEYS[i], 'tat.' .. meter, now) end
      redis.call('HDEL', KEYS[i], 'sent.' .. meter, 'hint.' .. meter, 'base.' .. meter, 'guessAt.' .. meter, 'working.' .. meter)
    end
  end
  if is_stopped or h[2] then
    redis.call('HDEL', KEYS[i], 'slowCap', 'slowAt')
    redis.call('HINCRBY', KEYS[i], 'epoch', 1)
    messages[#messages + 1] = 'resumed ' .. ARGV[3 + i]
  end
end

for i = key_count + bucket_count + 1, #KEYS do redis.call('DEL', KEYS[i]) end
for _, message in ipairs(messages) do redis.call('PUBLISH', channel, message) end
return #messages
