-- Where the first call of a job would stand in its lane; writes nothing.
-- KEYS: lane's books, the lane's waiting items (BullMQ's)
-- ARGV: account, priority, images of the call
-- Returns how many waiting items would go before it
local line = read_line(KEYS[1], ARGV[1], false, ARGV[2])
local tags = plan_places(line, { tonumber(ARGV[3]) })
return count_ahead(KEYS[2], tags[1], line.base)
