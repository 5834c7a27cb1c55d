-- What becomes of a finish that is not the plain end of an attempt.

-- The winner may repeat itself: its record names the token that ended the task.
local function answer_stale(id, token)
  local winner = string.match(read_record(id) or '', '^F|%d+|%a|[^|]*|%d*|%d*|%d*|[^|]*|([^|]*)|')
  return winner and winner ~= '' and winner == string.sub(token, 1, #winner) and 'o' or 's'
end

local function plan_return(id, way, held)
  local header = read_header(id)
  release(id, held.holds)
  if not header then
    park(id)
  elseif held.canceled then
    bury_canceled(id, held)
  elseif is_over(header) then
    bury_expired(id, held)
  elseif way.letter == 'r' then
    unclaim(id, held.used, 0)
    schedule(id, now + way.ms)
  elseif way.letter == 'z' then
    unclaim(id, held.used - 1, 0)
    schedule(id, now + way.ms)
  else
    unclaim(id, held.used - 1, held.losses)
    requeue(id, header, held.losses)
  end
end
