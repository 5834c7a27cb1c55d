-- Plans what became of the rings that this step took from, and of the allowances.
local function keep_or_leave(ring, entry, stays, remember)
  if stays or not entry.gone then
    put(ring.key, string.format('%d', entry.pass), entry.name)
  elseif entry.gone == 'away' then
    put(ring.key, string.format('%d', entry.pass + AWAY), entry.name)
  else
    drop(ring.key, entry.name)
    if remember then put(remember, string.format('%d', entry.pass), entry.name) end
  end
end

local function seat_tenant_of(flow, ring, tenant)
  local joined = joins[flow] and joins[flow][tenant.name]
  for _, entry in ipairs(tenant.keys) do
    if entry.room then
      keep_or_leave(tenant.keys, entry, entry.gone == 'empty' and joined and joined[entry.name])
      if entry.gone == 'away' then put('b:' .. entry.room.name, 0, flow) end
    end
  end
  if not tenant.gone and not front(tenant.keys) then tenant.gone = tenant.keys.away and 'away' or 'empty' end
  if tenant.paused then put('b:' .. tenant.name, 0, flow) end
  keep_or_leave(ring, tenant, joined and not tenant.paused, 'fm:' .. flow)
end

-- A tenant's pass is remembered while it tells more than CREDIT, and whose turn it is with them.
local function seat_row(row)
  local usual, fast = row.kind, row.kind .. '!'
  for flow, ring in pairs({ [usual] = row.usual, [fast] = row.fast }) do
    for _, tenant in ipairs(ring) do
      if tenant.keys then seat_tenant_of(flow, ring, tenant) end
      if tenant.gone == 'away' then ring.away = true end
    end
  end
  local first = front(row.usual) or front(row.fast)
  local stays = row.usual.away or row.fast.away or joins[usual] or joins[fast]
  if first then raises['fm:' .. usual] = string.format('%d', first.pass) end
  for _, flow in ipairs({ usual, fast }) do
    if not first and not stays then
      gone[#gone + 1] = prefix .. 'fm:' .. flow
    elseif first and first.pass >= CREDIT then
      forgets['fm:' .. flow] = string.format('%d', first.pass - CREDIT)
    end
  end
end

local function seat_rings()
  for _, row in ipairs(kinds) do
    if row.visited then seat_row(row) end
    if row.room then settle_room(row.room) end
  end
  for _, room in pairs(rooms) do settle_room(room) end
end
