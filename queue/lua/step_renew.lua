-- Plans lease renewals and progress. Answers a renewal with 'o' renewed, 'x' renewed but cancel is requested,
-- 'l' the lease is lost.
local function attempts_of(rows)
  local ids = {}
  for i, row in ipairs(rows) do ids[i] = row[1] end
  return read_attempts(ids)
end

local renewed = {}
for i, attempt in ipairs(attempts_of(renewals)) do
  local id, claimed_with, lease = unpack(renewals[i])
  if holds(attempt, claimed_with) and not touched[id] then
    touched[id] = 'renewed'
    put('lease', now + tonumber(lease), id)
    renewed[i] = parse_attempt(attempt).canceled and 'x' or 'o'
  else
    renewed[i] = 'l'
  end
end

for i, attempt in ipairs(attempts_of(progress)) do
  local id, claimed_with, text = unpack(progress[i])
  if holds(attempt, claimed_with) and touched[id] ~= 'ended' then
    -- What ends a claim after this in the plan overwrites it.
    keep_attempt(id, string.match(attempt, '^[^|]*|[^|]*|%d+|%d+|%d+|%d+|[^|]*|1?|') .. text)
    hint(id, 'p')
  end
end
