-- Checks keys that name a task, and pages of a tenant's list.
local function has_record(id)
  return redis.call('HEXISTS', span_key(id), id) == 1
end

local function check_idempotency(key, fault)
  local known = redis.call('GET', key)
  if not known or redis.call('PTTL', key) ~= -1 then return '' end
  if has_record(string.sub(known, 1, 20)) then return '' end
  return fault('key_without_task', 'UNLINK', key)
end

local function check_holder(key, fault)
  local holder = redis.call('GET', key)
  if not holder or has_record(holder) then return '' end
  return fault('unique_key_without_task', 'UNLINK', key)
end

local function check_page(key, rest, fault)
  local tenant, page = string.match(rest, '^(.*):(%d+)$')
  if not page then return '' end
  local index = prefix .. 'ix:' .. tenant
  local there, named = redis.call('EXISTS', key) == 1, redis.call('ZSCORE', index, page)
  if there and not named then return fault('page_not_named', 'ZADD', index, page, page) end
  if named and not there and redis.call('ZREVRANGE', index, 0, 0)[1] ~= page then return fault('page_without_tasks', 'ZREM', index, page) end
  return ''
end
