-- Where a tenant's list may name a task.

-- The pages on which a task created then may stand, the likelier first.
local function pages_of(tenant, created)
  return redis.call('ZREVRANGEBYSCORE', prefix .. 'ix:' .. tenant, created, '-inf', 'LIMIT', 0, 2)
end

-- Writes.
local function unlist(tenant, created, id)
  local index = prefix .. 'ix:' .. tenant
  for _, page in ipairs(pages_of(tenant, created)) do
    local key = index .. ':' .. page
    if redis.call('LREM', key, 1, id) == 1 then
      if redis.call('EXISTS', key) == 0 then redis.call('ZREM', index, page) end
      return
    end
  end
end
