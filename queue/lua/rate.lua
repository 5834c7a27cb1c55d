-- Counts events of the current ten seconds. Figures for people and autoscalers, never state.
-- Returns whether these were the first.
local function count_rate(field, by)
  local key = prefix .. 'rt:' .. string.format('%d', now / 10000)
  local first = redis.call('HINCRBY', key, field, string.format('%d', by)) == by
  if first then redis.call('PEXPIRE', key, 120000) end
  return first
end
