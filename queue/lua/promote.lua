-- Plans what due timers ask for: tasks go into their queues, rates allow for something again, deadlines have passed; at
-- most `limit`.
local function plan_promotions(limit)
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'tm', '-inf', now, 'LIMIT', 0, limit)
  local attempts = read_attempts(due)
  late = #due == limit
  for i, id in ipairs(due) do
    local rule = string.find(id, '/', 1, true)
    local header = not rule and read_header(id)
    drop('tm', id)
    if id == 'exp/' then
      plan_deadlines(limit)
    elseif rule then
      let_run(id)
    elseif not header then
      park(id)
    elseif is_over(header) then
      if touched[id] ~= 'ended' then bury_expired(id, parse_attempt(attempts[i])) end
    else
      requeue(id, header, parse_attempt(attempts[i]).losses)
    end
  end
  return #due
end
