-- Lets a call to a provider pass by its rates, or tells when to come again. Rates are even: each unit moves the moment at
-- which the next may come (a "generic cell rate algorithm"), and a burst may be taken ahead.
-- KEYS: 1 the provider's limits.
-- ARGV: 1 longest wait in ms, 2 longest pause in ms, 3 ms that this is kept, then for each rate: its name, ms a unit, units
--       of this call, units of a burst.
-- Returns: 1 and how long to wait in ms, its place taken; or 0 and the pause after which there should be a place.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local longest, wait, pace, kept = tonumber(ARGV[1]), 0, 0, {}
for rate = 4, #ARGV, 4 do
  local step, units, burst = tonumber(ARGV[rate + 1]), tonumber(ARGV[rate + 2]), tonumber(ARGV[rate + 3])
  local next_at = math.max(tonumber(redis.call('HGET', KEYS[1], ARGV[rate]) or now), now)
  -- A call of more than a burst passes once a whole burst is there, and owes the rest.
  wait = math.max(wait, next_at - now - (burst - math.min(units, burst)) * step)
  pace = math.max(pace, units * step)
  table.insert(kept, ARGV[rate])
  table.insert(kept, string.format('%.3f', next_at + units * step))
end
if wait > longest then
  -- Whoever is sent away comes back in turn: one after each time that a call takes.
  local again = math.max(tonumber(redis.call('HGET', KEYS[1], 'again') or now), now + longest) + pace
  again = math.min(again, now + tonumber(ARGV[2]))
  redis.call('HSET', KEYS[1], 'again', string.format('%.3f', again))
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return {0, math.ceil(again - now)}
end
redis.call('HSET', KEYS[1], unpack(kept))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {1, math.ceil(wait)}
