-- Checks each task, answers what was found and carries out what was planned.
local function check_task(id)
  local record = read_record(id)
  if not record then return check_missing(id) end
  local header, finished, state = parse_header(record)
  if not header then header, finished, state = parse_ended(record) end
  if not header then return where == '' and say('unreadable_record') end
  local home = finished and home_of(finished, header, state)
  if suspect ~= '' then
    if home then check_results(id, home, suspect) end
  elseif where ~= '' then
    check_place(id, header, home)
  else
    if finished then check_ended(id, header, finished, home) else check_live(id, header) end
    check_listed(id, header)
  end
  if home then return home ~= 'dl' and 'r' end
  return where == '' and 'l' .. header.tenant .. '/' .. #record
end

local words = {}
for i = 4, #ARGV do
  faults = {}
  local sort = check_task(ARGV[i])
  table.insert(faults, 1, sort or '-')
  words[#words + 1] = table.concat(faults, ',')
end
if mend then
  restore_freed()
  seat_all()
  arm_deadlines()
  carry_out()
  for _, removal in ipairs(removals) do
    local index, page = string.match(removal[1], '^(.*):(%d+)$')
    redis.call('LREM', prefix .. removal[1], removal[2], removal[3])
    if redis.call('EXISTS', prefix .. removal[1]) == 0 then redis.call('ZREM', prefix .. index, page) end
  end
  for _, entry in ipairs(unlisted) do
    local index = prefix .. 'ix:' .. entry[1]
    redis.call('RPUSH', index .. ':' .. entry[2], entry[3])
    redis.call('ZADD', index, entry[2], entry[2])
  end
end
return words
