-- Rings: who has tasks in a flow, by pass, read in windows as far as needed. Passes change while tasks are picked;
-- `seat_rings` plans them. Of equals the one that was ahead before this step goes first.
local RING_WINDOW = 16

local function ring_at(key, scope)
  return { key = key, scope = scope, at = 0, more = true, bound = -1 }
end

local function load_rules(ring, first)
  local fields = {}
  for i = first, #ring do fields[#fields + 1] = ring.scope .. ring[i].name end
  if not ruled or #fields == 0 then return end
  for i, text in ipairs(redis.call('HMGET', prefix .. 'rules', unpack(fields))) do
    ring[first + i - 1].rule = text and parse_rule(text) or nil
  end
end

local function load_more(ring)
  local first = #ring + 1
  local rows = redis.call('ZRANGE', prefix .. ring.key, ring.at, ring.at + RING_WINDOW - 1, 'WITHSCORES')
  ring.at, ring.more = ring.at + RING_WINDOW, #rows == 2 * RING_WINDOW
  for i = 1, #rows, 2 do
    local pass = tonumber(rows[i + 1])
    if pass >= AWAY then
      ring.more, ring.away = false, true
      break
    end
    ring[#ring + 1], ring.bound = { name = rows[i], pass = pass }, pass
  end
  load_rules(ring, first)
end

-- Whose turn it is.
local function front(ring)
  while true do
    local best
    for _, entry in ipairs(ring) do
      if not entry.gone and (not best or entry.pass < best.pass) then best = entry end
    end
    if not ring.more or (best and best.pass <= ring.bound) then return best end
    load_more(ring)
  end
end
