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
for tenant, ids in pairs(listings) do
  if #ids > 0 then list_new(tenant, ids) end
end
for kind, added in pairs(per_kind) do announce(kind, added) end
for kind in pairs(claimable) do wake(kind) end
if poke then wake_ticker() end
return table.concat(answers, ' ')
