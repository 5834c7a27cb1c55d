-- Plans what due timers ask for: tasks go into their queues, rates allow for something again, at most `limit`.
local function plan_promotions(limit)
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'tm', '-inf', now, 'LIMIT', 0, limit)
  local attempts = read_attempts(due)
  for i, id in ipairs(due) do
    local rule = string.find(id, '/', 1, true)
    local header = not rule and read_header(id)
    drop('tm', id)
    if rule then
      let_run(id)
    elseif header then
      requeue(id, header, parse_attempt(attempts[i]).losses)
    else
      park(id)
    end
  end
  return #due
end
