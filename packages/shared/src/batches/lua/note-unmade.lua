-- Notes that a line was fed and made no job: its images were refused, or the batch took no more jobs. A refused line counts
-- as failed, once in a run. A later run tries these lines again: unlike a line whose job is gone, they never had one.
-- KEYS: batch hash, its unmade lines
-- ARGV: line, run, problems JSON ('[]': the batch took no more jobs)
-- <batch>:unmade holds {run, problems} by line. Returns 1, or 0 when there is no such batch.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local known = redis.call('HGET', KEYS[2], ARGV[1])
local is_news = not known or cjson.decode(known).run ~= tonumber(ARGV[2])
if is_news and ARGV[3] ~= '[]' then redis.call('HINCRBY', KEYS[1], 'failed', 1) end
redis.call('HSET', KEYS[2], ARGV[1], '{"run":' .. ARGV[2] .. ',"problems":' .. ARGV[3] .. '}')
return 1
