-- Plans the claims and their answer: `claims`, a word for each (its id, followed by /attempt/losses if these are not
-- 1 and 0, or - for none), and `found`, their records.
local claims, found = {}, {}

-- What a claim counts for: what a limit of concurrency has to know of.
local function holds_of(row, visit)
  local kind, lane = row.room and row.room.held and row.kind, visit and visit.entry.room.held and visit.entry.room.name
  return (kind or lane) and (kind or '') .. '/' .. (lane or '') or ''
end

local function attempt_of(attempt, losses, row, held)
  return table.concat({ token, held, attempt, losses, now, row.lease, worker, '|' }, '|')
end

-- Claims from the same place are alike.
local function first_attempt(row, visit)
  local place = visit or row
  if not place.first_attempt then
    place.holds = holds_of(row, visit)
    place.first_attempt = attempt_of(1, 0, row, place.holds)
    place.held_kind = row.room and row.room.held and 'c:' .. row.kind
    place.held_lane = visit and visit.entry.room.held and 'c:' .. visit.entry.room.name
  end
  return place.first_attempt, place
end

local function plan_claim(position, id, row, visit, past)
  if not found[position] or string.byte(found[position]) ~= 81 then  -- Q
    claims[position], found[position] = '-', false
    return park(id)
  end
  local header = late and parse_header(found[position])
  if header and is_over(header) then
    claims[position], found[position] = '-', false
    return touched[id] ~= 'ended' and bury_expired(id, parse_attempt(past))
  end
  local attempt, place = first_attempt(row, visit)
  if past then
    local held = parse_attempt(past)
    claims[position] = table.concat({ id, held.used + 1, held.losses }, '/')
    attempt = attempt_of(held.used + 1, held.losses, row, place.holds)
  else
    claims[position] = id
  end
  keep_attempt(id, attempt)
  if place.held_kind then put(place.held_kind, now, id) end
  if place.held_lane then put(place.held_lane, now, id) end
  row.deadline = row.deadline or string.format('%d', now + row.lease)
  put('lease', row.deadline, id)
  hint(id, 'r')
end

if #picked > 0 then
  found = read_records(picked)
  local pasts = read_attempts(picked)
  for i = 1, #picked do plan_claim(i, picked[i], rows[i], origins[i], pasts[i]) end
end
