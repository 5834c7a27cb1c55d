-- Background duties of one shard, first part: whose they are. KEYS: meta. ARGV: worker, duty lease ms.
-- Whoever holds `tick` does them for all kinds; the lease on the duty lapses with its holder. Whoever finds a lease or a timer
-- LATE_MS overdue, which nobody on duty would have left, takes the duty over. Here, before any function is made, end the
-- offers of all others: they are many. Returns for them 0, now, when the duty lapses.
local LATE_MS = 100
local worker, duty_ms = ARGV[1], ARGV[2]
local holder = redis.call('GET', prefix .. 'tick')
if holder and holder ~= worker then
  local late = string.format('%d', now - LATE_MS)
  if redis.call('ZCOUNT', prefix .. 'lease', '-inf', late) + redis.call('ZCOUNT', prefix .. 'tm', '-inf', late) == 0 then
    return { 0, now, now + math.max(0, redis.call('PTTL', prefix .. 'tick')) }
  end
end
