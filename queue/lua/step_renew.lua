-- Plans lease renewals and progress. Answers a renewal with 'o' renewed, 'x' renewed but cancel is requested,
-- 'l' the lease is lost.
local renewed = {}
for i, row in ipairs(renewals) do
  local held = redis.call('HMGET', prefix .. 'a:' .. row[1], 'k', 'x')
  if held[1] == row[2] and not touched[row[1]] then
    touched[row[1]] = true
    put('lease', now + tonumber(row[3]), row[1])
    renewed[i] = held[2] and 'x' or 'o'
  else
    renewed[i] = 'l'
  end
end

for _, row in ipairs(progress) do
  local key = prefix .. 'a:' .. row[1]
  if redis.call('HGET', key, 'k') == row[2] then
    attempts[#attempts + 1] = { key, 'p', row[3] }
    hint(row[1], 'p')
  end
end
