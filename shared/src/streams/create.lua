-- Adds a stream.
-- KEYS: 1 its record, 2 the tenant's streams, 3 what an earlier request with the same idempotency key left.
-- ARGV: 1 id, 2 record, 3 most streams, 4 what to remember ('' for nothing), 5 for how long, ms.
-- Returns: made, full, or known and what is remembered.
if ARGV[4] ~= '' then
  local known = redis.call('GET', KEYS[3])
  if known then return {'known', known} end
end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[3]) then return {'full', ''} end
redis.call('HSET', KEYS[1], 'revision', 1, 'run', '', 'record', ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
if ARGV[4] ~= '' then redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5]) end
return {'made', ''}
