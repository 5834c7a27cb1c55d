-- Checks keys that name one task each.

local function check_idempotency(key, fault)
  local known = redis.call('GET', key)
  if not known or redis.call('PTTL', key) ~= -1 then return '' end
  if redis.call('EXISTS', task_key .. string.sub(known, 1, 20)) == 1 then return '' end
  return fault('key_without_task', 'UNLINK', key)
end

local function check_holder(key, fault)
  local holder = redis.call('GET', key)
  if not holder or redis.call('EXISTS', task_key .. holder) == 1 then return '' end
  return fault('unique_key_without_task', 'UNLINK', key)
end
