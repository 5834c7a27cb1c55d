-- Keeps what a worker says of a stream.
-- KEYS: 1 the stream's record, 2 its report. ARGV: 1 the run, 2 the worker's epoch, 3 what it says.
-- Returns: the newest request for a picture, 0 without one, or -1 if the run is over or another worker has it.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return -1 end
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[2] then return -1 end
redis.call('HSET', KEYS[2], 'report', ARGV[3])
return tonumber(redis.call('HGET', KEYS[2], 'wanted') or 0)
