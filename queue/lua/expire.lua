-- Plans the end of overdue leases, at most `limit`: their workers died, hang or cannot reach Redis.
-- Losses are counted apart from attempts and in a row: an attempt that lived over four leases starts a new row.
-- They wait 0, 5 and 30 seconds; the third in a row is a dead letter, except for live kinds, which go on for ever.
local LOSS_WAITS_MS = { 0, 5000, 30000 }

local function plan_loss(id, deadline, held)
  local header = read_header(id)
  drop('lease', id)
  release(id, held.holds)
  if not header then return park(id) end
  held.losses = held.losses + 1
  if deadline - held.lease - held.started > 4 * held.lease then held.losses = 1 end
  if held.canceled then return bury_canceled(id, held) end
  if is_over(header) then return bury_expired(id, held) end
  if held.losses >= 3 and not header.live then
    return bury(id, 'f', 'worker_lost', string.format(WORKER_LOST, held.losses, held.used), held)
  end
  unclaim(id, held.used - 1, held.losses)
  local wait = LOSS_WAITS_MS[math.min(held.losses, 3)]
  if wait == 0 then requeue(id, header, held.losses) else schedule(id, now + wait) end
end

local function plan_expiries(limit)
  local overdue = redis.call('ZRANGEBYSCORE', prefix .. 'lease', '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  local ids, deadlines = {}, {}
  for i = 1, #overdue, 2 do
    if not touched[overdue[i]] then
      ids[#ids + 1] = overdue[i]
      deadlines[#deadlines + 1] = tonumber(overdue[i + 1])
    end
  end
  local attempts = read_attempts(ids)
  for i, id in ipairs(ids) do plan_loss(id, deadlines[i], parse_attempt(attempts[i])) end
  return #ids
end
