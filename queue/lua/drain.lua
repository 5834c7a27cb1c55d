-- Asks a worker to drain, by its mailbox. KEYS: meta. ARGV: worker. Returns 1 if it is registered.
if redis.call('HEXISTS', prefix .. 'workers', ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', prefix .. 'w:' .. ARGV[1], 'd')
redis.call('PEXPIRE', prefix .. 'w:' .. ARGV[1], 60000)
return 1
