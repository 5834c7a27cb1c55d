-- Visits: up to QUANTUM tasks of one key at a time, of the tenant and the key that were given fewest. Realtime tasks come
-- first while their tenant is at most REALTIME_AHEAD tasks ahead of the others.
local QUANTUM, REALTIME_AHEAD, MOST_VISITS = 8, 64, 256
local visits, rooms, defaults = 0, {}, {}

local function key_room(tenant, entry)
  local name = tenant .. ':' .. entry.name
  if not rooms[name] then
    if not defaults[tenant] then
      defaults[tenant] = parse_rule(ruled and redis.call('HGET', prefix .. 'rules', 'keys/' .. tenant))
    end
    local own, default = entry.rule or {}, defaults[tenant]
    local rate = own.count and own or default
    rooms[name] = room_of(name, 'key/' .. name, {
      state = own.state, most = own.most or default.most, count = rate.count, period = rate.period,
    })
  end
  return rooms[name]
end

local function front_tenant(row)
  local fast, usual = front(row.fast), front(row.usual)
  if fast and (not usual or fast.pass - REALTIME_AHEAD <= usual.pass) then return fast, row.kind .. '!' end
  return usual, row.kind
end

-- The next key's tasks, or nil if it has none or may not run, which takes it out of the ring.
local function visit_key(flow, tenant, entry)
  local room, taken = key_room(tenant.name, entry), entry.taken or 0
  entry.room, entry.flow, entry.taken = room, flow, taken
  if room.free < 1 then
    entry.gone = 'away'
    return nil
  end
  local queue, quota = 'f:' .. flow .. ':' .. room.name, math.min(QUANTUM, room.free)
  local window = redis.call('ZRANGE', prefix .. queue, taken, taken + quota, 'WITHSCORES')
  if #window == 0 then entry.gone = 'empty' end
  return { tenant = tenant, entry = entry, queue = queue, quota = quota, window = window, next = 1 }
end

local function next_visit(row)
  row.visited = true
  while visits < MOST_VISITS do
    local tenant, flow = front_tenant(row)
    if not tenant then return nil end
    visits = visits + 1
    tenant.keys = tenant.keys or ring_at('fl:' .. flow .. ':' .. tenant.name, 'key/' .. tenant.name .. ':')
    tenant.paused = tenant.rule ~= nil and tenant.rule.state == 'p'
    local entry = not tenant.paused and front(tenant.keys)
    if tenant.paused then
      tenant.gone = 'away'
    elseif not entry then
      tenant.gone = tenant.keys.away and 'away' or 'empty'
    else
      local visit = visit_key(flow, tenant, entry)
      if visit and visit.window[1] then return visit end
      if entry.gone == 'away' then tenant.keys.away = true end
    end
  end
end
