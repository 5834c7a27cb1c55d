-- Plans the claims and their answer: position of the token, id, attempt, losses, record.
local claims, claimed_ids = {}, {}

local function plan_claim(id, row, record)
  if not record or string.sub(record, 1, 1) ~= 'Q' then return park(id) end
  local position = #claimed_ids + 1
  local held = redis.call('HMGET', prefix .. 'a:' .. id, 'n', 'l')
  local attempt, losses = tonumber(held[1] or 0) + 1, tonumber(held[2] or 0)
  attempts[#attempts + 1] = {
    prefix .. 'a:' .. id, 'n', attempt, 'k', tokens[position][1], 'w', worker, 's', now, 'd', row[4],
  }
  put('lease', now + tonumber(row[4]), id)
  hint(id, 'r')
  claimed_ids[position] = id
  for _, value in ipairs({ position, id, attempt, losses, record }) do claims[#claims + 1] = value end
end

if #picked > 0 then
  local keys = {}
  for i, pick in ipairs(picked) do keys[i] = prefix .. 't:' .. pick[1] end
  local found = redis.call('MGET', unpack(keys))
  for i, pick in ipairs(picked) do plan_claim(pick[1], pick[2], found[i]) end
end
