-- Tasks that have cost a worker twice are claimed alone. A worker that runs nothing takes the oldest at once. If none
-- does, one worker takes the duty: it claims nothing more until it is empty. The duty lapses with its holder.
local HOLD_MS = 30000
local hold, alone = false, false

local function solo_waits()
  local keys = {}
  for i, row in ipairs(kinds) do keys[i] = prefix .. 'solo:' .. row.kind end
  return #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0
end

-- Live tasks do not keep a worker from being empty, but they use units: a task that would wait for them stays.
local function oldest_solo()
  local best, best_score
  for _, row in ipairs(kinds) do
    local head = {}
    if (not idle or has_room(row)) and not (row.room and row.room.free < 1) then
      head = redis.call('ZRANGE', prefix .. 'solo:' .. row.kind, 0, 0, 'WITHSCORES')
    end
    if head[1] and (not best or tonumber(head[2]) < best_score) then
      best, best_score = { head[1], row }, tonumber(head[2])
    end
  end
  return best
end

if wanted > 0 and #kinds > 0 then
  local solo = prepare_kinds() and solo_waits() and oldest_solo()
  if solo then
    local holder = redis.call('GET', prefix .. 'hold')
    hold = idle or not holder or holder == worker
  end
  if not hold then
    pick_shared()
  elseif idle then
    picked[1], rows[1] = solo[1], solo[2]
    alone = true
    drop('solo:' .. solo[2].kind, solo[1])
    if solo[2].room then spend(solo[2].room) end
  end
end
