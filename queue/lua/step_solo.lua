-- Tasks that have cost a worker twice are claimed alone. One worker at a time takes the duty: it claims nothing
-- more until it is empty, then claims exactly one of them. The duty lapses with its holder.
local HOLD_MS = 30000
local hold, alone = false, false

local function oldest_solo()
  local best, best_score
  for _, row in ipairs(kinds) do
    local head = redis.call('ZRANGE', prefix .. 'solo:' .. row[1], 0, 0, 'WITHSCORES')
    if head[1] and (not best or tonumber(head[2]) < best_score) then
      best, best_score = { head[1], row }, tonumber(head[2])
    end
  end
  return best
end

local function solo_waits()
  local keys = {}
  for i, row in ipairs(kinds) do keys[i] = prefix .. 'solo:' .. row[1] end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0
end

if #tokens > 0 then
  if solo_waits() then
    local holder = redis.call('GET', prefix .. 'hold')
    hold = not holder or holder == worker
  end
  if not hold then
    pick_shared()
  elseif idle then
    picked[1] = oldest_solo()
    alone = true
    drop('solo:' .. picked[1][2][1], picked[1][1])
  end
end
