-- Appends a chunk to a running task's output. KEYS: meta. ARGV: id, lease token, position, chunk, most chunks kept,
-- oldest position kept or ''.
-- Positions rise, so a chunk that was written before is known: a worker that repeats itself, and the next worker after
-- a crash, write each position once. Returns 'w' written, 'd' duplicate, 'l' the lease is lost.
local id, token, position = ARGV[1], ARGV[2], tonumber(ARGV[3])
local held = redis.call('HGET', attempts_key, id)
if not held or string.find(held, token .. '|', 1, true) ~= 1 then return 'l' end
local key = prefix .. 'o:' .. id
local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
if newest and tonumber(string.match(newest[1], '^%d+')) >= position then return 'd' end
redis.call('XADD', key, 'MAXLEN', '~', ARGV[5], ARGV[3] .. '-0', 'd', ARGV[4])
if ARGV[6] ~= '' then redis.call('XTRIM', key, 'MINID', '~', ARGV[6] .. '-0') end
if redis.call('EXISTS', prefix .. 'watched') == 1 then
  redis.call('XADD', prefix .. 'ev', 'MAXLEN', '~', 1000, '*', 'd', id .. ',o')
end
return 'w'
