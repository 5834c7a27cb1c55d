-- Adds to a tenant's list: `ix:<tenant>` names its pages by when they were begun, ms, and `ix:<tenant>:<ms>` is a LIST of the
-- ids that came since, up to the next page. An entry takes a fifth of one in a sorted set, and no table of Redis' grows with it.
-- A page that is full has the next one named, for what comes from the next millisecond on: the last one may be empty.
local function list_new(tenant, ids)
  local index = prefix .. 'ix:' .. tenant
  local page = redis.call('ZREVRANGE', index, 0, 0)[1]
  if page and tonumber(page) > now then page = redis.call('ZREVRANGE', index, 1, 1)[1] end
  local begun = page or string.format('%d', now)
  local count = redis.call('RPUSH', index .. ':' .. begun, unpack(ids))
  if not page then redis.call('ZADD', index, begun, begun) end
  if count >= FULL_PAGE then
    local next = string.format('%d', now + 1)
    redis.call('ZADD', index, next, next)
  end
end
