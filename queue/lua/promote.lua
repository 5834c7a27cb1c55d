-- Plans the move of due timers into their queues, at most `limit`.
local function plan_promotions(limit)
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'tm', '-inf', now, 'LIMIT', 0, limit)
  for _, id in ipairs(due) do
    local header = read_header(id)
    drop('tm', id)
    if header then
      requeue(id, header, tonumber(redis.call('HGET', prefix .. 'a:' .. id, 'l') or 0))
    else
      park(id)
    end
  end
  return #due
end
