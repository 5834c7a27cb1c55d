-- Where claimable tasks stand. Plain: all queued tasks of a kind are of one tenant and one fairness key, its owner, and
-- stand in q:<kind>. Else each tenant and key has a queue of its own, f:<flow>:<tenant>:<key>; a flow is a kind, or the
-- kind and `!` for its realtime tasks. fl:<flow> holds tenants, fl:<flow>:<tenant> keys, by the tasks they were given
-- (their pass); those that may not run now stand AWAY behind.
local owners, owned, fair = {}, {}, {}      -- kind -> its owner or false; owners to write; whether any of its flows exists
local joins, returns = {}, {}               -- flow -> tenant -> key: queues that gained tasks; those that may run again
local splits = {}                           -- kind -> tenant that owned it until now
local CREDIT = 16                           -- tasks of a tenant that had none, before it takes turns

local function split_lane(lane)
  return string.match(lane, '^([^:]*):(.*)$')
end

local function join(flow, tenant, key)
  local tenants = joins[flow] or {}
  joins[flow] = tenants
  tenants[tenant] = tenants[tenant] or {}
  if key then tenants[tenant][key] = true end
end

local function owner_of(kind)
  if owners[kind] == nil then owners[kind] = redis.call('HGET', prefix .. 'own', kind) end
  return owners[kind]
end

local function is_fair(kind)
  if fair[kind] == nil then
    fair[kind] = redis.call('EXISTS', prefix .. 'fl:' .. kind, prefix .. 'fl:' .. kind .. '!') > 0
  end
  return fair[kind]
end

-- The owner becomes one of several: its queue takes the name that queues of keys have.
local function split_kind(kind)
  local queue = 'f:' .. kind .. ':' .. owners[kind]
  splits[kind] = split_lane(owners[kind])
  join(kind, split_lane(owners[kind]))
  renames['q:' .. kind] = queue
  puts[queue], puts['q:' .. kind] = puts['q:' .. kind], nil
  owners[kind], owned[kind], fair[kind] = false, false, true
end

-- The queue that takes a claimable task.
local function queue_of(kind, tenant, key, realtime)
  local lane = tenant .. ':' .. key
  if owner_of(kind) == lane then return 'q:' .. kind end
  if owners[kind] and (puts['q:' .. kind] or redis.call('EXISTS', prefix .. 'q:' .. kind) == 1) then
    split_kind(kind)
  elseif not ruled and not is_fair(kind) then
    owners[kind], owned[kind] = lane, lane
    return 'q:' .. kind
  end
  local flow = realtime and kind .. '!' or kind
  join(flow, tenant, key)
  return 'f:' .. flow .. ':' .. lane
end
