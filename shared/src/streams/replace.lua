-- Replaces a stream's record, if it is still at the revision at which it was read.
-- KEYS: 1 its record. ARGV: 1 that revision, 2 the record, 3 the run that workers may report of ('' for none).
-- Returns: 1; 0 if it is at another revision; -1 if it is gone.
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision then return -1 end
if revision ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'revision', string.format('%d', revision + 1), 'run', ARGV[3], 'record', ARGV[2])
return 1
