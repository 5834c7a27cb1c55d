-- Removes a stream with everything said of it.
-- KEYS: 1 its record, 2 its report, 3 the tenant's streams. ARGV: 1 id. Returns: 1, or 0 if it was not there.
redis.call('DEL', KEYS[1], KEYS[2])
return redis.call('ZREM', KEYS[3], ARGV[1])
