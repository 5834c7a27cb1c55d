-- Plans what a worker says of its attempts. Each word counts only with the live lease token.

-- What a verdict means; few differ within a step, and numbers are slow to hand to Redis.
local ways = {}
local function learn_way(verdict)
  local letter, ms, tenant, bytes = string.match(verdict, '^(%a)(%d*) ?(%S*) ?(%d*)$')
  local way = { letter = letter, ms = tonumber(ms), tenant = tenant, bytes = tonumber(bytes), ended = 0 }
  if letter == 'f' then
    way.ends, way.moment = true, string.format('%d', now + way.ms)
  elseif letter == 's' or letter == 'c' then
    way.ends, way.kept_until = true, kept_until(way.ms)
  end
  ways[verdict] = way
end

local acks = {}
local function plan_finishes()
  local ids, tenants, leases, ended, at = {}, {}, {}, 'F|' .. now .. '|', finishes_at
  for i = 1, finish_count do
    ids[i], at = ARGV[at], at + 4
    if not ways[ARGV[at - 2]] then learn_way(ARGV[at - 2]) end
  end
  for _, way in pairs(ways) do
    if way.ends then tenants[way.tenant] = true end
  end
  local attempts = read_attempts(ids)
  read_tallies(tenants)
  for i = 1, finish_count do
    at = finishes_at + 4 * i - 4
    local id = ARGV[at]
    if touched[id] or not holds(attempts[i], ARGV[at + 1]) then
      acks[i] = answer_stale(id, ARGV[at + 1])
    else
      local way = ways[ARGV[at + 2]]
      touched[id], acks[i], leases[#leases + 1] = 'ended', 'o', id
      if way.ends then
        write(id, ended .. ARGV[at + 3])
        end_attempt(id)
        way.ended = way.ended + 1
        if way.moment then
          put('dl', way.moment, id)
        else
          way.ids = way.ids or list_in(kept, way.kept_until)
          way.ids[#way.ids + 1] = id
        end
        hint(id, way.letter)
        -- What it holds stands behind the token and its bar; nothing does for most.
        if string.byte(attempts[i], #ARGV[at + 1] + 1) ~= 124 then release(id, parse_attempt(attempts[i]).holds) end
      else
        plan_return(id, way, parse_attempt(attempts[i]))
      end
    end
  end
  for _, way in pairs(ways) do
    if way.ended > 0 then count(way.tenant, -way.ended, -way.ended * way.bytes) end
  end
  if #leases > 0 then drops.lease = leases end
end
if finish_count > 0 then plan_finishes() end
