-- Plans the claims and their answer: `claims`, a word for each (its id, followed by /attempt/losses if these are not
-- 1 and 0, or - for none), and `found`, their records.
local claims, found = {}, {}

local function attempt_of(attempt, losses, row)
  return table.concat({ token, attempt, losses, now, row.lease, worker, '|' }, '|')
end

local function plan_claim(position, id, row, past)
  if not found[position] or string.byte(found[position]) ~= 81 then  -- Q
    claims[position], found[position] = '-', false
    return park(id)
  end
  if past then
    local held = parse_attempt(past)
    claims[position] = table.concat({ id, held.used + 1, held.losses }, '/')
    set(attempt_key .. id, attempt_of(held.used + 1, held.losses, row))
  else
    claims[position] = id
    row.first_attempt = row.first_attempt or attempt_of(1, 0, row)
    set(attempt_key .. id, row.first_attempt)
  end
  row.deadline = row.deadline or string.format('%d', now + row.lease)
  put('lease', row.deadline, id)
  hint(id, 'r')
end

if #picked > 0 then
  local keys = {}
  for i = 1, #picked do keys[i] = task_key .. picked[i] end
  found = redis.call('MGET', unpack(keys))
  local pasts = read_attempts(picked)
  for i = 1, #picked do plan_claim(i, picked[i], rows[i], pasts[i]) end
end
