-- Redis' clock may be set back, as after a failover to a host whose clock was right. What buckets note of times then lies further
-- ahead than any permit, reply or stop can have put it, and would stop them for as long as the clock was set back. Such a
-- time is taken for now, by whoever sees it first, refused or not: a stop is over, and a bucket is empty and goes on at its
-- rate, as what was sent a moment ago is not known any more. Needs bucket.lua.
-- learning.ts makes no stop longer.
local LONGEST_STOP_MS = 600000
-- Nor key-pauses.ts a pause between two probes.
local LONGEST_PROBE_MS = 600000
-- A call takes no more of a limit than what that lets through in a minute.
local LARGEST_SHARE_MS = 60000

local function mend_times(b, told, now)
  local changes = {}
  for _, field in ipairs({ 'slowAt', 'slackAt' }) do
    if (b[field] or 0) > now then changes[field] = now end
  end
  local stops = { 'notBefore', 'spanAt', 'guessAt.images', 'guessAt.requests', 'guessAt.tokens' }
  for _, field in ipairs(stops) do
    if (b[field] or 0) > now + LONGEST_STOP_MS then changes[field] = now end
  end
  -- Twice the size: a permit puts `tat` that far behind its start, and a reply that tells what is left as far again.
  local stop_until = changes.notBefore or b.notBefore or 0
  local furthest = math.max(now, stop_until) + 2 * math.max(told.burst, LARGEST_SHARE_MS) + SLACK_MS
  for _, meter in ipairs(METERS) do
    if (b['tat.' .. meter] or 0) > furthest then
      changes['tat.' .. meter] = now + told.burst
      changes['slack.' .. meter], changes['slackBefore.' .. meter] = 0, 0
    end
    if changes.spanAt then changes['span.' .. meter] = 0 end
  end
  if next(changes) then write_bucket(b, changes) end
end

-- When a paused key may be probed.
local function probe_time(probe_at, probing_until, now)
  local free = math.max(probe_at, probing_until)
  return free > now + LONGEST_PROBE_MS and now or free
end
