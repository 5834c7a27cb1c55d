-- Carries the plan out, wakes others, registers the worker as idle where it has room, and answers
--   now, acks, renewals, flags, claims, records
-- Flags: 1 registration done, 2 claims nothing until it is empty, 4 claimed alone, 8 call again.
seat_rings()
seat_all()
local again = expired + promoted + parked + restored > 0 or visits >= MOST_VISITS
local poke = earlier_timer()
carry_out()

if info ~= '' then redis.call('HSET', prefix .. 'workers', worker, now .. ' ' .. info) end
for _, row in ipairs(rates) do count_rate(row[1], tonumber(row[2])) end
if alone then
  redis.call('DEL', prefix .. 'hold')
elseif hold then
  redis.call('SET', prefix .. 'hold', worker, 'PX', HOLD_MS)
end

for _, row in ipairs(kinds) do
  -- A worker that cannot claim must not take wake-ups from those that can.
  local shut = hold or not has_units(row)
  if register and not shut then
    local held = row.load and row.load + used[row.class] or 0
    redis.call('ZADD', prefix .. 'idle:' .. row.kind, idle_score(held), worker)
  elseif register or hold then
    redis.call('ZREM', prefix .. 'idle:' .. row.kind, worker)
  end
  -- Wake-ups go from hand to hand, one at a time: what this worker leaves, or was woken for and cannot take, is the
  -- next one's.
  if row.window and row.next <= #row.window then
    claimable[row.kind] = true
  elseif row.fair or (shut and (register or hold)) or (row.window and #row.window == 2 * row.batch) then
    if waits(row.kind) then claimable[row.kind] = true end
  end
end
for kind in pairs(relieved) do
  if waits(kind) then claimable[kind] = true end
end
for kind in pairs(claimable) do wake(kind) end
if poke then wake_ticker() end

local flags = (register and 1 or 0) + (hold and not alone and 2 or 0) + (alone and 4 or 0) + (again and 8 or 0)
local words = { incarnation, seq, table.concat(acks), table.concat(renewed), flags, table.concat(claims, ' ') }
redis.call('SET', replay_key, table.concat(words, '|'), 'PX', 300000)
return { now, words[3], words[4], flags, words[6], found }
