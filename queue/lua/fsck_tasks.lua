-- Checks tasks and, if told so, mends them. KEYS: meta. ARGV: 1 to mend, the index that named them ('' if their
-- records did, `a` if an attempt did, `o` if an output did), 'missing' or 'twice' for those that the caller did not find among the
-- results or found twice, then their ids. Each is judged at one moment: what changed since the caller saw it is no fault.
-- Returns a word a task: 'r' if it is kept among the results, l<tenant>/<bytes of its record> if that named it and it has
-- not ended, or '-'; and the names of its faults behind commas.
local mend, where, suspect = ARGV[1] == '1', ARGV[2], ARGV[3]
local is_list = string.match(where, '^done:%d+$') or string.match(where, '^ix:')

local function still_there(id)
  if is_list then return in_list(where, id) end
  return redis.call('ZSCORE', prefix .. where, id)
end

local function leave_index(id)
  if is_list then removals[#removals + 1] = { where, 1, id } else drop(where, id) end
end

local function check_missing(id)
  if where == 'a' then
    if not read_attempt(id) then return end
    say('attempt_without_record')
    end_attempt(id)
  elseif where == 'o' then
    if redis.call('EXISTS', prefix .. 'o:' .. id) == 0 then return end
    say('output_without_record')
    gone[#gone + 1] = prefix .. 'o:' .. id
  elseif where ~= '' and still_there(id) then
    say(where == 'park' and 'parked' or 'index_without_record')
    leave_index(id)
  end
end

-- Whether a running task counts for a limit of concurrency, of a kind or of a key.
local function counts_for(id, name)
  local kind, lane = string.match(parse_attempt(read_attempt(id)).holds, '^([^/]*)/(.*)$')
  return kind == name or lane == name
end

-- State indexes are judged with the task.
local function check_place(id, header, home)
  if where == home or where == 'a' or where == 'o' then return end
  if where == 'exp' and header.deadline then return end
  for _, name in ipairs(indexes_for(header)) do
    if where == name then return end
  end
  if where == 'ix:' .. header.tenant .. ':' .. (page_of(header.tenant, header.created) or '') then return end
  local limited = string.match(where, '^c:(.*)$')
  if limited and counts_for(id, limited) then return end
  if still_there(id) then
    if limited then freed[limited] = true end
    say(where == 'park' and 'parked' or 'in_wrong_index')
    leave_index(id)
  end
end
