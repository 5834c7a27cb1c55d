-- Changes how much a tenant may have in the queue. KEYS: meta. ARGV: tenant, or * for each without a bound of its own;
-- tasks, bytes; '' for as many as the next says. Returns 1.
local key = prefix .. 'bounds'
if ARGV[2] == '' and ARGV[3] == '' then
  redis.call('HDEL', key, ARGV[1])
else
  redis.call('HSET', key, ARGV[1], ARGV[2] .. '|' .. ARGV[3])
end
if redis.call('EXISTS', key) == 1 then
  redis.call('HSET', KEYS[1], 'bounded', 1)
else
  redis.call('HDEL', KEYS[1], 'bounded')
end
return 1
