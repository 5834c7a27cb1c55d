-- Keeps an answer of a tenant, and lets go of the oldest once there are too many.
-- KEYS: 1 the answer, 2 the tenant's answers by when they were kept.
-- ARGV: 1 the answer, 2 ms that it is kept, 3 most answers, 4 what keys of answers begin with, 5 the rest of this one's.
-- Returns: how many were let go of.
local time = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[3]
if over <= 0 then return 0 end
local oldest = redis.call('ZRANGE', KEYS[2], 0, over - 1)
for _, rest in ipairs(oldest) do
  redis.call('DEL', ARGV[4] .. rest)
  redis.call('ZREM', KEYS[2], rest)
end
return over
