-- Gives calls of a job new places in their lane: for items that have to be queued once more. Counts nothing as open.
-- KEYS: job hash, lane's books
-- ARGV: priority, images of each such call JSON
-- Returns {base, tag of each…}; {} when there is no such job
local function step()
  local line = read_line(KEYS[2], state.account, state.batch ~= nil, ARGV[1])
  local tags, last = plan_places(line, cjson.decode(ARGV[2]))
  change_places(line, last)
  return { line.base, unpack(tags) }
end
return run(step, {})
