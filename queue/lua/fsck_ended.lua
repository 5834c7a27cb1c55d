-- Checks a task that has ended, and plans what mends it: it is in no state index, no attempt holds it, and it is kept
-- either among the dead letters or in the list of results of one moment.
local DEAD_LETTER_MS = 2592000000
local removals = {}  -- {list, LREM count, id}

-- Searching a list takes as long as it is, so that it is searched for suspects alone: its end first, where the newest are.
local function in_list(name, id)
  local key = prefix .. name
  return redis.call('LPOS', key, id, 'RANK', -1, 'MAXLEN', 10000) or redis.call('LPOS', key, id)
end

-- Where a task that has ended belongs; the moment as `kept_until` had it then.
local function home_of(finished, header, state)
  if state == 'f' then return 'dl' end
  local width = header.ttl < 600000 and 1000 or 60000
  return 'done:' .. string.format('%d', math.ceil((finished + header.ttl) / width) * width)
end

local function check_ended(id, header, finished, home)
  for _, name in ipairs(places_of(id, header)) do
    say('ended_in_index')
    drop(name, id)
  end
  if read_attempt(id) then
    say('attempt_of_ended')
    end_attempt(id)
  end
  if home == 'dl' and not redis.call('ZSCORE', prefix .. 'dl', id) then
    say('not_kept')
    put('dl', string.format('%d', finished + DEAD_LETTER_MS), id)
  end
end

-- Looks up a task that the caller did not find among the results, or found twice.
local function check_results(id, home, suspect)
  local moment = string.match(home, '^done:(%d+)$')
  if not moment then return end
  if suspect == 'missing' and not in_list(home, id) then
    say('not_kept')
    local ids = list_in(kept, moment)
    ids[#ids + 1] = id
  elseif suspect == 'twice' and #redis.call('LPOS', prefix .. home, id, 'COUNT', 2) > 1 then
    say('kept_twice')
    removals[#removals + 1] = { home, -1, id }
  end
end
