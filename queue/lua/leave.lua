-- Signs a worker off. KEYS: meta. ARGV: worker, then its kinds. Its tasks were finished or released before.
-- Whatever is claimable wakes another worker: this one may have taken a wake-up with it.
local worker = ARGV[1]
redis.call('HDEL', prefix .. 'workers', worker)
for i = 2, #ARGV do redis.call('ZREM', prefix .. 'idle:' .. ARGV[i], worker) end
redis.call('UNLINK', prefix .. 'w:' .. worker, prefix .. 'rp:' .. worker .. ':0', prefix .. 'rp:' .. worker .. ':1')
for _, duty in ipairs({ 'tick', 'hold' }) do
  if redis.call('GET', prefix .. duty) == worker then redis.call('DEL', prefix .. duty) end
end
for i = 2, #ARGV do
  if waits(ARGV[i]) then wake(ARGV[i]) end
end
return 1
