-- Plans what a worker says of its attempts. Each word counts only with the live lease token.

-- The winner may repeat itself: its record names the token that ended the task.
local function answer_stale(id, token)
  local line = redis.call('GETRANGE', prefix .. 't:' .. id, 0, 255)
  local winner = string.match(line, '^F|%d+|%a|[^|]*|%d+|%d+|%d+|[^|]*|([^|]*)|')
  return winner and winner ~= '' and winner == string.sub(token, 1, #winner) and 'o' or 's'
end

local function plan_finish(id, token, verdict, x, y)
  local held = redis.call('HMGET', prefix .. 'a:' .. id, 'k', 'n', 'l', 'x', 's', 'w')
  if held[1] ~= token or touched[id] then return answer_stale(id, token) end
  touched[id] = true
  drop('lease', id)
  if verdict == 's' or verdict == 'f' or verdict == 'c' then
    set(prefix .. 't:' .. id, 'F|' .. now .. '|' .. y)
    gone[#gone + 1] = prefix .. 'a:' .. id
    put(verdict == 'f' and 'dl' or 'done', now + tonumber(x), id)
    hint(id, verdict)
    return 'o'
  end
  local header, used, losses = read_header(id), tonumber(held[2]), tonumber(held[3] or 0)
  if not header then
    park(id)
  elseif held[4] then
    bury_canceled(id, used, losses, held[5], held[6])
  elseif verdict == 'r' then
    unclaim(id, used, 0)
    schedule(id, now + tonumber(x))
  elseif verdict == 'z' then
    unclaim(id, used - 1, 0)
    schedule(id, now + tonumber(x))
  else
    unclaim(id, used - 1, losses)
    requeue(id, header, losses)
  end
  return 'o'
end

local acks = {}
for i, row in ipairs(finishes) do acks[i] = plan_finish(unpack(row)) end
