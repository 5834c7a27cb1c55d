-- Writes down what a call used, and puts what it cost in place of what was held for it.
-- KEYS: 1 holds, 2 held, 3 spent of the day, 4 spent of the month, 5 usage of the day.
-- ARGV: 1 member of the hold ('' for none), 2 cost in nanodollars, 3 ms that spent sums are kept, 4 row, 5 row once there
--       are too many, 6 most fields, 7 ms that usage is kept, then names of figures and what is added to them.
-- Returns: the fields of the day's usage.
local cost = tonumber(ARGV[2])
if ARGV[1] ~= '' then
  local amount = ARGV[1]:match(':(%d+)$')
  if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then
    redis.call('DECRBY', KEYS[2], amount)
  else
    -- It has been counted as spent in the meantime.
    cost = cost - tonumber(amount)
  end
  if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end
end
if cost ~= 0 then
  for spent = 3, 4 do
    redis.call('INCRBY', KEYS[spent], string.format('%.0f', cost))
    redis.call('PEXPIRE', KEYS[spent], ARGV[3])
  end
end

local row = ARGV[4]
local fields = redis.call('HLEN', KEYS[5])
if fields >= tonumber(ARGV[6]) and redis.call('HEXISTS', KEYS[5], row .. '|calls') == 0 then row = ARGV[5] end
for figure = 8, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[5], row .. '|' .. ARGV[figure], ARGV[figure + 1])
end
redis.call('PEXPIRE', KEYS[5], ARGV[7])
return fields
