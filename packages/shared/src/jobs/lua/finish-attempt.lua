-- Closes an attempt, keeps its images, gives the call its outcome when it has one, ends the job when that was the last.
-- First write wins: images and outcomes that are there stay. A row closed for a lost worker by someone else takes the
-- truth when it comes late. An answer that was spooled no longer is. What is left of a job that is cancelled or over is withheld.
-- KEYS: job hash
-- ARGV: call k, seq, attempt outcome ('succeeded'|'rejected'|'failed'|'unknown'), JSON merged into the row,
--       count ('' | 'failed' | 'unknown' | 'moderated'), call outcome ('' | 'failed'), error JSON ('' = none; kept as the call's last),
--       images JSON [{index, …}], the call's image indexes JSON, retention ms
-- Returns {kept images, the call's outcome ('' = work is left), the job's status when this ended it, else ''}
local function step()
  local k, seq = ARGV[1], tonumber(ARGV[2])
  local call = read_call(k)

  local attempt = read_attempt(k, seq)
  local was_open, was_spooled = call.open == seq and seq > 0, attempt ~= nil and attempt.spooled ~= nil
  if attempt and not is_settled(attempt) then
    for field, value in pairs(cjson.decode(ARGV[4])) do attempt[field] = value end
    attempt.outcome = ARGV[3]
    attempt.endedAt = now_ms()
    tick_cost(attempt)
    -- Of no use any more, and a batch has 50,000 rows.
    attempt.permit = nil
    if attempt.outcome == 'succeeded' then
      attempt.upperBoundMicroUsd, attempt.answeredAt, attempt.ticked = nil, nil, nil
    end
    if was_spooled then set_spooled(k, seq, call, attempt, nil) end
    write_attempt(k, seq, attempt)
  end
  -- Only the newest attempt may fail the call: one that was given up for lost brings its images or nothing. One whose
  -- answer was spooled has held up the others, so with none of them under way it is the newest too, and so is none (seq 0).
  local is_current = was_open or (call.open == 0 and (was_spooled or seq == 0))
  if was_open then
    call.open = 0
    state.underWay = state.underWay - 1
  end
  if call.outcome ~= '' then
    write_call(k, call)
    return { 0, call.outcome, '' }
  end

  local kept, batch = 0, batch_key()
  for _, image in ipairs(cjson.decode(ARGV[8])) do
    if redis.call('HSETNX', job, 'image:' .. image.index, cjson.encode(image)) == 1 then
      kept = kept + 1
      state.images = state.images + 1
      if batch then redis.call('HINCRBY', batch, 'images', 1) end
      emit('image.completed', image.index)
    end
  end
  if is_current and ARGV[5] ~= '' then call[ARGV[5]] = call[ARGV[5]] + 1 end

  if ARGV[7] ~= '' then call.error = cjson.decode(ARGV[7]) end
  local whole = true
  for _, index in ipairs(cjson.decode(ARGV[9])) do
    if redis.call('HEXISTS', job, 'image:' .. index) == 0 then whole = false end
  end
  local ended = ''
  if whole then
    close_call(k, call, 'succeeded', nil)
    ended = settle(tonumber(ARGV[10]))
  elseif is_current and ARGV[6] ~= '' and not is_spooled(call) then
    close_call(k, call, ARGV[6], call.error)
    ended = settle(tonumber(ARGV[10]))
  elseif (was_open or was_spooled) and call.open == 0 and not is_spooled(call) and withhold_if_over(k, call) then
    -- Nothing of it is under way any more: what is left would only wait for a permit to be withheld at the gate.
    ended = settle(tonumber(ARGV[10]))
  else
    if was_open and kept == 0 and state.lane then note_refused(root .. ':lane:' .. state.lane, #attempt.images, attempt.at) end
    write_call(k, call)
  end
  return { kept, call.outcome, ended }
end
return run(step, { 0, 'gone', '' })
