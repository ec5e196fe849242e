-- Counts the open calls of all lanes anew, in one step, so that nothing moves meanwhile. Only while few jobs are open.
-- KEYS: open jobs, then every lane's books
-- ARGV: prefix of the jobs' hashes, most jobs to count, name of each lane
-- Returns how many counters were wrong and are right now; -1 = too many jobs are open to look
if redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[2]) then return -1 end
local open = {}
local function add(lane, field, calls)
  open[lane] = open[lane] or {}
  open[lane][field] = (open[lane][field] or 0) + calls
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local raw = redis.call('HGET', ARGV[1] .. id, 'state')
  local state = raw and cjson.decode(raw)
  if state and state.lane and state.left > 0 then
    add(state.lane, 'open', state.left)
    add(state.lane, 'open:' .. state.account, state.left)
    if state.batch then add(state.lane, 'batched', state.left) end
  end
end

local wrong = 0
for i = 2, #KEYS do
  local truth, books = open[ARGV[i + 1]] or {}, redis.call('HGETALL', KEYS[i])
  for j = 1, #books, 2 do
    local field = books[j]
    if field == 'open' or field == 'batched' or string.sub(field, 1, 5) == 'open:' then
      if tonumber(books[j + 1]) ~= truth[field] then
        wrong = wrong + 1
        if truth[field] then redis.call('HSET', KEYS[i], field, truth[field]) else redis.call('HDEL', KEYS[i], field) end
      end
      truth[field] = nil
    end
  end
  for field, calls in pairs(truth) do
    wrong = wrong + 1
    redis.call('HSET', KEYS[i], field, calls)
  end
end
return wrong
