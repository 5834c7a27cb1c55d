-- Checks a task that has not ended, and plans what mends it: it is in exactly one state index, and held by an attempt
-- exactly while that is `lease`.
-- The state indexes in which a task may be.
local function indexes_for(header)
  local kind, lane = header.kind, ':' .. header.tenant .. ':' .. header.key
  return { 'lease', 'q:' .. kind, 'f:' .. kind .. lane, 'f:' .. kind .. '!' .. lane, 'solo:' .. kind, 'tm', 'wait' }
end

-- Those that hold it; `lease` first.
local function places_of(id, header)
  local found = {}
  for _, name in ipairs(indexes_for(header)) do
    if redis.call('ZSCORE', prefix .. name, id) then
      found[#found + 1] = name
      found[name] = true
    end
  end
  return found
end

-- Of several indexes one stays: `lease` if an attempt holds the task, else the first of the others.
local function leave_one(id, places, claimed)
  local kept = (places.lease and not claimed) and 2 or 1
  for i, name in ipairs(places) do
    if i ~= kept then drop(name, id) end
  end
end

local function check_live(id, header)
  local held = parse_attempt(read_attempt(id))
  local places = places_of(id, header)
  local claimed = held.token ~= ''
  check_deadline(id, header, claimed)
  check_unique(id, header)
  if #places == 0 then
    say('in_no_index')
    -- Its worker may be alive: then it renews what it gets here, and otherwise loses it.
    if claimed then put('lease', now + held.lease, id) else requeue(id, header, held.losses) end
  elseif #places > 1 then
    say('in_several_indexes')
    leave_one(id, places, claimed)
  elseif places.lease and not claimed then
    say('lease_without_attempt')
    drop('lease', id)
    requeue(id, header, held.losses)
  end
  if claimed and #places > 0 and not places.lease then
    say('attempt_without_lease')
    release(id, held.holds)
    unclaim(id, held.used - 1, held.losses)
  end
end
