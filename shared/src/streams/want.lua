-- Asks for a picture of a stream.
-- KEYS: 1 the stream's record, 2 its report. Returns: the request's number, or -1 without such a stream.
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
return redis.call('HINCRBY', KEYS[2], 'wanted', 1)
