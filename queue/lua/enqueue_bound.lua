-- How much a tenant may have in the queue: tasks that have not ended, and bytes of their records. `bounds` has what was set
-- otherwise: tasks|bytes, by tenant, or * for each without a bound of its own.
local bounds, tight = {}, {}  -- tight: tenants of whose tasks not all fit

local function bound_of(tenant)
  if not bounds[tenant] then
    local texts = bounded and redis.call('HMGET', prefix .. 'bounds', tenant, '*') or {}
    local tasks, bytes = string.match(texts[1] or '|', '^(%d*)|(%d*)$')
    local usual_tasks, usual_bytes = string.match(texts[2] or '|', '^(%d*)|(%d*)$')
    bounds[tenant] = {
      tonumber(tasks) or tonumber(usual_tasks) or MOST_TASKS, tonumber(bytes) or tonumber(usual_bytes) or MOST_BYTES,
    }
  end
  return bounds[tenant]
end

local function fits(tenant, tasks, bytes)
  local most, has_tasks, has_bytes = bound_of(tenant), tally_of(tenant)
  return has_tasks + tasks <= most[1] and has_bytes + bytes <= most[2]
end

for tenant, want in pairs(wants) do tight[tenant] = not fits(tenant, want[1], want[2]) end
