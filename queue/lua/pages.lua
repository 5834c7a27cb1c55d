-- Where a tenant's list names a task.

-- The page of a task created then, or nil.
local function page_of(tenant, created)
  return redis.call('ZREVRANGEBYSCORE', prefix .. 'ix:' .. tenant, created, '-inf', 'LIMIT', 0, 1)[1]
end

-- Writes. With the last page that has tasks goes the empty one behind it.
local function unlist(tenant, created, id)
  local index, page = prefix .. 'ix:' .. tenant, page_of(tenant, created)
  if not page then return end
  redis.call('LREM', index .. ':' .. page, 1, id)
  if redis.call('EXISTS', index .. ':' .. page) == 1 then return end
  redis.call('ZREM', index, page)
  local last = redis.call('ZREVRANGE', index, 0, 0)[1]
  if last and redis.call('EXISTS', index .. ':' .. last) == 0 then redis.call('ZREM', index, last) end
end
