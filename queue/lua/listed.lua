-- Adds to a tenant's list: `ix:<tenant>` names its pages by when they were begun, ms, and `ix:<tenant>:<ms>` is a LIST of the
-- ids that came since, up to the next page. An entry takes a fifth of one in a sorted set, and no table of Redis' grows with it.
-- What came in the very millisecond in which a page was begun may stand at the end of the page before.

-- The page to which a task created now belongs.
local function page_now(tenant, created)
  local index = prefix .. 'ix:' .. tenant
  local page = redis.call('ZREVRANGE', index, 0, 0)[1]
  if page and (page == created or redis.call('LLEN', index .. ':' .. page) < FULL_PAGE) then return page end
  return created
end

local function list_on(tenant, page, ids)
  local index = prefix .. 'ix:' .. tenant
  local count = redis.call('RPUSH', index .. ':' .. page, unpack(ids))
  if count == #ids then redis.call('ZADD', index, page, page) end
end
