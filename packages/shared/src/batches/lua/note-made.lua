-- A line that had made no job has one now: the note goes, and what it counted in this run.
-- KEYS: batch hash, its unmade lines
-- ARGV: line, run
-- Returns 1, or 0 when there was no note.
local known = redis.call('HGET', KEYS[2], ARGV[1])
if not known then return 0 end
local note = cjson.decode(known)
if note.run == tonumber(ARGV[2]) and #note.problems > 0 then redis.call('HINCRBY', KEYS[1], 'failed', -1) end
return redis.call('HDEL', KEYS[2], ARGV[1])
