-- Plans what a worker says of its attempts. Each word counts only with the live lease token.

-- What a verdict means; few differ within a step, and numbers are slow to hand to Redis.
local ways = {}
local function way_of(verdict)
  local way = ways[verdict]
  if way then return way end
  local letter, ms = string.match(verdict, '^(%a)(%d*)$')
  way = { letter = letter, ms = tonumber(ms) }
  if letter == 'f' then
    way.ends, way.moment = true, string.format('%d', now + way.ms)
  elseif letter == 's' or letter == 'c' then
    way.ends, way.ids = true, list_in(kept, kept_until(way.ms))
  end
  ways[verdict] = way
  return way
end

local acks = {}
local function plan_finishes()
  local ids, leases, ended = {}, {}, 'F|' .. now .. '|'
  for i = 1, finish_count do ids[i] = ARGV[finishes_at + 4 * i - 4] end
  local attempts = read_attempts(ids)
  for i = 1, finish_count do
    local at, id = finishes_at + 4 * i - 4, ids[i]
    if touched[id] or not holds(attempts[i], ARGV[at + 1]) then
      acks[i] = answer_stale(id, ARGV[at + 1])
    else
      local way = way_of(ARGV[at + 2])
      touched[id], acks[i], leases[#leases + 1] = 'ended', 'o', id
      if way.ends then
        set(task_key .. id, ended .. ARGV[at + 3])
        gone[#gone + 1] = attempt_key .. id
        if way.ids then way.ids[#way.ids + 1] = id else put('dl', way.moment, id) end
        hint(id, way.letter)
        -- What it holds stands behind the token and its bar; nothing does for most.
        if string.byte(attempts[i], #ARGV[at + 1] + 1) ~= 124 then release(id, parse_attempt(attempts[i]).holds) end
      else
        plan_return(id, way, parse_attempt(attempts[i]))
      end
    end
  end
  if #leases > 0 then drops.lease = leases end
end
if finish_count > 0 then plan_finishes() end
