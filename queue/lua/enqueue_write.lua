-- Carries out what `enqueue.lua` plans.
for _, group in ipairs(groups) do add_group(group) end
for key, value in pairs(seen_keys) do set(key, value) end
for key, list in pairs(puts) do
  if #list == 0 then puts[key] = nil end
end
seat_all()
arm_deadlines()
local poke = earlier_timer()
carry_out()
-- A kind is announced again every ten seconds: a Redis that lost its data soon knows it, at no cost worth counting.
for kind, added in pairs(per_kind) do
  if count_rate('e:' .. kind, added) then redis.call('HSETNX', prefix .. 'kinds', kind, now) end
end
for kind in pairs(claimable) do wake(kind) end
if poke then wake_ticker() end
return table.concat(answers, ' ')
