-- Gives a worker leave to report of a run, and takes it from every worker before.
-- KEYS: 1 the stream's record, 2 its report. ARGV: 1 the run. Returns: the epoch, or -1 if the run is over.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then return -1 end
return redis.call('HINCRBY', KEYS[2], 'epoch', 1)
