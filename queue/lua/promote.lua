-- Plans the move of due timers into their queues, at most `limit`.
local function plan_promotions(limit)
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'tm', '-inf', now, 'LIMIT', 0, limit)
  local attempts = read_attempts(due)
  for i, id in ipairs(due) do
    local header = read_header(id)
    drop('tm', id)
    if header then
      requeue(id, header, parse_attempt(attempts[i]).losses)
    else
      park(id)
    end
  end
  return #due
end
