-- Unique tasks. `u:<tenant>:<hash>` names the task that holds a unique key of a kind. It holds it until it ends: a name of a
-- task that has ended, or of none, holds nothing. So the end of a task has nothing to release, and no death can keep the
-- key. The name goes with the record.
local function unique_key(tenant, unique)
  return prefix .. 'u:' .. tenant .. ':' .. unique
end

local function is_live(id)
  local record = read_record(id)
  return record and string.byte(record) == 81  -- Q
end
