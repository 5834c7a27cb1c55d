-- Checks what a task's header promises: that somebody ends it when its queue deadline has passed, and that it is unique.
local faults = {}  -- of the task that is being checked

local function say(fault)
  faults[#faults + 1] = fault
end

-- Nobody would end it in time. A task that runs, and whose deadline has passed, may have lost its entry.
local function check_deadline(id, header, claimed)
  if not header.deadline or (claimed and header.deadline <= now) then return end
  if not redis.call('ZSCORE', prefix .. 'exp', id) then
    say('deadline_not_kept')
    keep_deadline(id, header.deadline)
  end
end

local function check_unique(id, header)
  if not header.unique then return end
  local key = unique_key(header.tenant, header.unique)
  local holder = redis.call('GET', key)
  if holder == id then return end
  if holder and is_live(holder) then return say('not_unique') end
  say('unique_key_not_held')
  set(key, id)
end
