-- Keeps what a worker tells of its providers, takes it back, or tells all.
-- KEYS: 1 reports by worker, 2 workers by when they reported.
-- ARGV: 1 worker ('' tells all), 2 its report ('' takes it back), 3 ms that a report counts.
-- Returns: the reports that count, if all are to be told.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local silent = redis.call('ZRANGE', KEYS[2], '-inf', now - ARGV[3], 'BYSCORE', 'LIMIT', 0, 100)
for _, worker in ipairs(silent) do
  redis.call('HDEL', KEYS[1], worker)
  redis.call('ZREM', KEYS[2], worker)
end
if ARGV[1] == '' then return redis.call('HVALS', KEYS[1]) end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {}
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {}
