-- Carries the plan out, wakes others, registers the worker as idle where it has room, and answers
--   now, acks, renewals, flags (1 registration done, 2 claims nothing until it is empty, 4 claimed alone, 8 call again), claims
local again = expired + promoted > 0
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
  -- What this worker leaves in the queue is the next one's: wake-ups go from hand to hand, one at a time.
  if row.window and row.next <= #row.window then claimable[row[1]] = true end
  -- A worker that cannot claim must not take wake-ups from those that can.
  if register and not hold and has_room(row) then
    redis.call('ZADD', prefix .. 'idle:' .. row[1], now, worker)
  elseif register or hold then
    redis.call('ZREM', prefix .. 'idle:' .. row[1], worker)
  end
end
for kind in pairs(claimable) do wake(kind) end
if poke then wake_ticker() end

local flags = (register and 1 or 0) + (hold and not alone and 2 or 0) + (alone and 4 or 0) + (again and 8 or 0)
local words = { incarnation, seq, table.concat(acks), table.concat(renewed), flags, table.concat(claimed_ids, ' ') }
redis.call('SET', replay_key, table.concat(words, '|'), 'PX', 300000)
return { now, words[3], words[4], flags, claims }
