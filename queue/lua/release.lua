-- Gives back what an attempt held of limits of concurrency, and brings back queues that were at a limit.
local freed, relieved, returned, restored = {}, {}, {}, 0

local function release(id, held)
  if held == '' then return end
  local kind, lane = string.match(held, '^([^/]*)/(.*)$')
  if kind ~= '' then
    drop('c:' .. kind, id)
    relieved[kind] = true
  end
  if lane ~= '' then
    drop('c:' .. lane, id)
    freed[lane] = true
  end
end

-- `b:<tenant>:<key>` and `b:<tenant>` hold the flows in which they stand away.
local function restore(name)
  if returned[name] then return end
  returned[name] = true
  local tenant, key = split_lane(name)
  for _, flow in ipairs(redis.call('ZRANGE', prefix .. 'b:' .. name, 0, -1)) do
    drop('b:' .. name, flow)
    join(flow, tenant or name, key)
    returns[flow .. ':' .. name] = true
    claimable[string.match(flow, '^[^!]*')] = true
    restored = restored + 1
  end
end

local function restore_freed()
  for lane in pairs(freed) do restore(lane) end
end

-- Keys of a tenant that stand away, at most 100 of a flow at a time.
local function restore_keys(tenant)
  for _, kind in ipairs(redis.call('HKEYS', prefix .. 'kinds')) do
    for _, flow in ipairs({ kind, kind .. '!' }) do
      local ring, least = prefix .. 'fl:' .. flow .. ':' .. tenant, string.format('%d', AWAY)
      local keys = redis.call('ZRANGEBYSCORE', ring, least, '+inf', 'LIMIT', 0, 100)
      for _, key in ipairs(keys) do restore(tenant .. ':' .. key) end
      if #keys == 100 then put('tm', now, 'keys/' .. tenant) end
    end
  end
end

-- The rule of this subject has changed, or its rate allows for something again.
local function let_run(subject)
  local scope, name = string.match(subject, '^(%a+)/(.*)$')
  if scope == 'kind' then
    claimable[name] = true
  elseif scope == 'keys' then
    restore_keys(name)
  else
    restore(name)
  end
end
