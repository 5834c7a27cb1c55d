-- Plans the places of queues that gained tasks or may run again. A tenant that had none begins CREDIT tasks ahead of the
-- turns, so that its few are not behind the many of others; what it was given counts until the turns have caught up with
-- it, or it would gain by sending little at a time. A key that had none begins at the lowest pass of its tenant's.
local function first_pass(ring)
  local head = redis.call('ZRANGE', prefix .. ring, 0, 0, 'WITHSCORES')
  return head[1] and tonumber(head[2]) % AWAY
end

local function seat_tenant(flow, tenant)
  local pass = redis.call('ZSCORE', prefix .. 'fl:' .. flow, tenant)
  if not pass then
    local kind = string.match(flow, '^[^!]*')
    local turn = tonumber(redis.call('ZSCORE', prefix .. 'fm:' .. kind, '') or CREDIT)
    local given = tonumber(redis.call('ZSCORE', prefix .. 'fm:' .. flow, tenant) or 0)
    -- An owner has been given tasks all the time, without a pass.
    put('fl:' .. flow, math.max(splits[kind] == tenant and turn or turn - CREDIT, given), tenant)
  elseif tonumber(pass) >= AWAY then
    put('fl:' .. flow, tonumber(pass) - AWAY, tenant)
  end
end

-- Puts the keys of a tenant into their ring; returns whether any of them may run that could not before.
local function seat_keys(flow, tenant, keys)
  local ring, names, gained, least = 'fl:' .. flow .. ':' .. tenant, {}, false, nil
  for key in pairs(keys) do names[#names + 1] = key end
  if #names == 0 then return false end
  for i, pass in ipairs(redis.call('ZMSCORE', prefix .. ring, unpack(names))) do
    if not pass then
      least = least or first_pass(ring) or 0
      put(ring, least, names[i])
      gained = true
    elseif tonumber(pass) >= AWAY and returns[flow .. ':' .. tenant .. ':' .. names[i]] then
      put(ring, tonumber(pass) - AWAY, names[i])
      gained = true
    end
  end
  return gained
end

-- To be called before `carry_out`.
local function seat_all()
  for flow, tenants in pairs(joins) do
    for tenant, keys in pairs(tenants) do
      local gained = seat_keys(flow, tenant, keys)
      if gained or returns[flow .. ':' .. tenant] then seat_tenant(flow, tenant) end
    end
  end
end
