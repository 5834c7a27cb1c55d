-- A repeated step gets the answer of the first: its reply was lost after it was applied.
-- `rp:<worker>` holds incarnation|seq|acks|renewals|flags|heads of the last one. A task claimed by it is handed out
-- again only while its lease token still stands.
local replay_key = prefix .. 'rp:' .. worker

local function answer_again(before)
  local last, acks, renewed, flags, heads = string.match(before, '^[^|]*|(%d+)|(%a*)|(%a*)|(%d+)|(.*)$')
  local again, ids, found = {}, {}, {}
  for head in string.gmatch(tonumber(last) == seq and heads or '', '%S+') do
    again[#again + 1] = head
    ids[#ids + 1] = string.match(head, '^[^/]*')
  end
  local attempts = read_attempts(ids)
  for i, id in ipairs(ids) do
    local stands = holds(attempts[i], token .. '|')
    found[i] = stands and redis.call('GET', task_key .. id)
    if not stands then again[i] = '-' end
  end
  return { now, acks, renewed, tonumber(flags), table.concat(again, ' '), found }
end

local before = redis.call('GET', replay_key)
if holds(before, incarnation .. '|') and tonumber(string.match(before, '^%d+', #incarnation + 2)) >= seq then
  return answer_again(before)
end
