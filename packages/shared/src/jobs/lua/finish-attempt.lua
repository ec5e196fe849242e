-- Closes an attempt, keeps its images, gives the call its outcome when it has one, ends the job when that was the last.
-- First write wins: images and outcomes that are there stay. A row closed as unknown by someone else takes the truth
-- when it comes late.
-- KEYS: job hash
-- ARGV: call k, seq, attempt outcome ('succeeded'|'rejected'|'failed'|'unknown'), JSON merged into the row,
--       count ('' | 'failed' | 'unknown' | 'moderated'), call outcome ('' | 'failed'), error JSON ('' = none; kept as the call's last),
--       images JSON [{index, …}], the call's image indexes JSON, retention ms
-- Returns {kept images, the call's outcome ('' = work is left), the job's status when this ended it, else ''}
local job, k, seq = KEYS[1], ARGV[1], tonumber(ARGV[2])
local call = read_call(job, k)
if not call then return { 0, 'gone', '' } end

local attempt = read_attempt(job, k, seq)
if attempt and (attempt.outcome == cjson.null or attempt.outcome == 'unknown') then
  for field, value in pairs(cjson.decode(ARGV[4])) do attempt[field] = value end
  attempt.outcome = ARGV[3]
  attempt.endedAt = now_ms()
  write_attempt(job, k, seq, attempt)
end
if seq > 0 and call.open == seq then
  call.open = 0
  redis.call('HINCRBY', job, 'underWay', -1)
end
if call.outcome ~= '' then
  write_call(job, k, call)
  return { 0, call.outcome, '' }
end

local kept = 0
for _, image in ipairs(cjson.decode(ARGV[8])) do
  if redis.call('HSETNX', job, 'image:' .. image.index, cjson.encode(image)) == 1 then
    kept = kept + 1
    redis.call('HINCRBY', job, 'images', 1)
    emit(job, 'image.completed', image.index)
  end
end
if ARGV[5] ~= '' then call[ARGV[5]] = call[ARGV[5]] + 1 end

local whole = true
for _, index in ipairs(cjson.decode(ARGV[9])) do
  if redis.call('HEXISTS', job, 'image:' .. index) == 0 then whole = false end
end
local ended = ''
if whole then
  close_call(job, k, call, 'succeeded', nil)
  ended = settle(job, tonumber(ARGV[10]))
elseif ARGV[6] ~= '' then
  close_call(job, k, call, ARGV[6], cjson.decode(ARGV[7]))
  ended = settle(job, tonumber(ARGV[10]))
else
  if ARGV[7] ~= '' then call.error = cjson.decode(ARGV[7]) end
  write_call(job, k, call)
end
return { kept, call.outcome, ended }
