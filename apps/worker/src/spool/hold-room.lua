-- Holds room in a host's spool for one process until its lease ends. All processes together hold at most what is available.
-- KEYS: the host's spool room (HASH process → «<bytes> <until ms>»)
-- ARGV: process, bytes wanted, bytes it needs in any case (answers under way), bytes available for all, lease ms
-- Returns { the bytes it holds now, the bytes others hold }. It holds what it wanted if that fits, else as much of what it had
-- as fits, and in any case what it needs. 0 takes it off the books.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local mine, others = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local bytes, until_ms = string.match(all[i + 1], '^(%d+) (%d+)$')
  if tonumber(until_ms) <= now then redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] == ARGV[1] then mine = tonumber(bytes)
  else others = others + tonumber(bytes) end
end
local wanted, needed = tonumber(ARGV[2]), tonumber(ARGV[3])
local free = math.max(0, tonumber(ARGV[4]) - others)
local held = wanted <= free and wanted or math.max(needed, math.min(mine, free))
if held == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return { 0, others }
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', held, now + ARGV[5]))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return { held, others }
