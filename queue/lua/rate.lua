-- Counts events of the current ten seconds. Figures for people and autoscalers, never state.
local function count_rate(field, by)
  local key = prefix .. 'rt:' .. math.floor(now / 10000)
  if redis.call('HINCRBY', key, field, by) == by then redis.call('PEXPIRE', key, 120000) end
end
