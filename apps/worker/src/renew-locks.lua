-- Renews the locks of the items a process has under way. One that has run out, while Redis or the process was away, is taken
-- again if nobody has taken up its item since.
-- KEYS: the items' hashes, in BullMQ's layout. ARGV: lock ms, then for each item its lock's token and how often it had been
-- taken up with that. Returns the numbers of the items that are not this process's any more, from 1
local lost = {}
for i, item in ipairs(KEYS) do
  local lock, token, taken = item .. ':lock', ARGV[2 * i], ARGV[2 * i + 1]
  local queue, id = string.match(item, '^(.*):([^:]*)$')
  local holder = redis.call('GET', lock)
  if not holder and redis.call('HGET', item, 'ats') == taken and redis.call('LPOS', queue .. ':active', id) then
    holder = token
  end
  if holder == token then
    redis.call('SET', lock, token, 'PX', ARGV[1])
    redis.call('SREM', queue .. ':stalled', id)
  else
    lost[#lost + 1] = i
  end
end
return lost
