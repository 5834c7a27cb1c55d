-- Plans the end of overdue leases, at most `limit`: their workers died, hang or cannot reach Redis.
-- Losses are counted apart from attempts and in a row: an attempt that lived over four leases starts a new row.
-- They wait 0, 5 and 30 seconds; the third in a row is a dead letter, except for live kinds, which go on for ever.
local LOSS_WAITS_MS = { 0, 5000, 30000 }

local function plan_loss(id, deadline)
  local held = redis.call('HMGET', prefix .. 'a:' .. id, 'n', 'l', 's', 'd', 'x', 'w')
  local header = read_header(id)
  drop('lease', id)
  if not header then return park(id) end
  local used, losses = tonumber(held[1] or 1), tonumber(held[2] or 0) + 1
  local started, lease = tonumber(held[3] or deadline), tonumber(held[4] or 0)
  if deadline - lease - started > 4 * lease then losses = 1 end
  if held[5] then return bury_canceled(id, used, losses, started, held[6]) end
  if losses >= 3 and not header.live then
    local outcome = string.format(WORKER_LOST, losses, used)
    return bury(id, 'f', 'worker_lost', outcome, used, losses, started, held[6])
  end
  unclaim(id, used - 1, losses)
  local wait = LOSS_WAITS_MS[math.min(losses, 3)]
  if wait == 0 then requeue(id, header, losses) else schedule(id, now + wait) end
end

local function plan_expiries(limit)
  local overdue = redis.call('ZRANGEBYSCORE', prefix .. 'lease', '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  local count = 0
  for i = 1, #overdue, 2 do
    if not touched[overdue[i]] then
      plan_loss(overdue[i], tonumber(overdue[i + 1]))
      count = count + 1
    end
  end
  return count
end
