-- What is allowed. `rules` is a HASH of state|most|count|period by subject: kind/<kind>, tenant/<tenant>,
-- key/<tenant>:<key>, and keys/<tenant> for every key of a tenant as far as its own rule says nothing. State: p paused,
-- d refuses new tasks. Most: tasks running at once. Count: tasks begun in each period, milliseconds.
-- Rates are a GCRA (ATM Forum, Traffic Management 4.0, 1996): r:<name> is when the allowance will be whole again, in us.
local function parse_rule(text)
  local state, most, count, period = string.match(text or '|||', '^(%a?)|(%d*)|(%d*)|(%d*)$')
  return { state = state, most = tonumber(most), count = tonumber(count), period = tonumber(period) }
end

local function regains(room)
  room.rated = math.floor((now * 1000 + room.period - room.whole) / room.interval)
  room.free = math.min(room.unheld, room.rated)
end

-- How many more tasks of a kind or a key may run: `free`. `name` is <kind> or <tenant>:<key>, `subject` its rule's.
local function room_of(name, subject, rule)
  local room = { name = name, subject = subject, free = math.huge, taken = 0, held = rule.most ~= nil }
  if rule.most then
    local freed = drops['c:' .. name]
    room.free = rule.most - redis.call('ZCARD', prefix .. 'c:' .. name) + (freed and #freed or 0)
  end
  if rule.count then
    local whole = tonumber(redis.call('GET', prefix .. 'r:' .. name) or 0)
    room.unheld, room.period = room.free, rule.period * 1000
    room.interval, room.whole = math.ceil(room.period / rule.count), math.max(whole, now * 1000)
    regains(room)
  end
  if rule.state == 'p' then room.free, room.paused = 0, true end
  return room
end

local function spend(room)
  room.taken = room.taken + 1
  room.free = room.free - 1
  if room.interval then
    room.whole, room.unheld = room.whole + room.interval, room.unheld - 1
    regains(room)
  end
end

-- Plans what is left of an allowance, and a timer for when there is some again.
local function settle_room(room)
  if not room.interval then return end
  if room.taken > 0 then
    set(prefix .. 'r:' .. room.name, string.format('%d', room.whole))
    -- Redis' own clock ends it: later than needed does no harm.
    lapses[#lapses + 1] = { prefix .. 'r:' .. room.name, math.ceil(room.whole / 1000) - now + 60000 }
  end
  if room.rated < 1 then
    put('tm', math.ceil((room.whole + room.interval - room.period) / 1000), room.subject)
  end
end
