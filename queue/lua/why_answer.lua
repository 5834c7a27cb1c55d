-- Answers what `why.lua` finds.
if not task then return false end
local state, place = task[3], task[4]
local header = parse_header(task[2]) or parse_ended(task[2])
if not header or header.tenant ~= ARGV[2] then return false end
if header.deadline and (state == 'd' or state == 'q') then say('deadline', header.deadline) end
if state == 'd' then
  say('due', place)
elseif state == 'r' then
  local held = parse_attempt(task[5])
  local deadline = tonumber(redis.call('ZSCORE', prefix .. 'lease', id))
  say('worker', held.worker)
  say('renewed', deadline - held.lease)
  say('until', deadline)
  if held.canceled then say('cancel', 1) end
elseif state == 'q' then
  if ruled then say_rules(header) end
  say('workers', count_workers(header.kind))
  if redis.call('ZSCORE', prefix .. 'solo:' .. header.kind, id) then say('alone', 1) end
  say('behind', place or 0)
end
return { state, words }
