-- A repeated step gets the answer of the first: its reply was lost after it was applied.
-- Two steps of a worker may be under way, so the last of even and the last of odd seq are kept, in `rp:<worker>:0` and
-- `:1`, as incarnation|seq|acks|renewals|flags|heads. A task claimed by a step is handed out again only while its
-- lease token still stands. A step older than those kept was answered long ago; nobody waits for its answer.
local replay_key = prefix .. 'rp:' .. worker .. ':' .. seq % 2

local function answer_again(before)
  local last, acks, renewed, flags, heads = string.match(before, '^[^|]*|(%d+)|(%a*)|(%a*)|(%d+)|(.*)$')
  local again, ids, found = {}, {}, {}
  if tonumber(last) > seq then return { now, '', '', 0, '', found } end
  for head in string.gmatch(heads, '%S+') do
    again[#again + 1] = head
    ids[#ids + 1] = string.match(head, '^[^/]*')
  end
  local attempts = read_attempts(ids)
  for i, id in ipairs(ids) do
    local stands = holds(attempts[i], token .. '|')
    found[i] = stands and read_record(id)
    if not stands then again[i] = '-' end
  end
  return { now, acks, renewed, tonumber(flags), table.concat(again, ' '), found }
end

local before = redis.call('GET', replay_key)
if holds(before, incarnation .. '|') and tonumber(string.match(before, '^%d+', #incarnation + 2)) >= seq then
  return answer_again(before)
end
