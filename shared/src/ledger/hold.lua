-- Holds what a call may cost against a tenant's spend cap, or tells that it may not be made.
-- Holds that nobody settled in time count as spent: whoever made them died or was stopped, and the provider bills them.
-- KEYS: 1 cap, 2 holds, 3 held, 4 spent of the day, 5 spent of the month.
-- ARGV: 1 id of the hold ('' only looks), 2 nanodollars, 3 its life in ms, 4 usual cap ('' for none), 5 its period,
--       6 ms that spent sums and holds are kept.
-- Returns: verdict (free, held, reached, crowded), cap, period, spent, held.
local cap, period = ARGV[4], ARGV[5]
local own = redis.call('GET', KEYS[1])
if own then cap, period = own:match('^(%d+):(%a+)$') end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
for _, member in ipairs(over) do
  local amount = member:match(':(%d+)$')
  redis.call('ZREM', KEYS[2], member)
  redis.call('DECRBY', KEYS[3], amount)
  for spent = 4, 5 do
    redis.call('INCRBY', KEYS[spent], amount)
    redis.call('PEXPIRE', KEYS[spent], ARGV[6])
  end
end

local spent = redis.call('GET', period == 'day' and KEYS[4] or KEYS[5]) or '0'
local held = redis.call('GET', KEYS[3]) or '0'
if cap == '' then return {'free', '', period, spent, held} end
if tonumber(spent) >= tonumber(cap) then return {'reached', cap, period, spent, held} end
if tonumber(spent) + tonumber(held) >= tonumber(cap) then return {'crowded', cap, period, spent, held} end
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1] .. ':' .. ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
  redis.call('INCRBY', KEYS[3], ARGV[2])
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
return {'held', cap, period, spent, held}
