-- Binds `prefix`, what every key of this shard starts with, `task_key`, what the hashes of records start with,
-- `attempts_key`, the hash of attempts, `now`, Unix milliseconds, `ruled`, whether any limit or pause is in force, and `bounded`,
-- whether some tenant may have another number of tasks in the queue than is usual.
-- KEYS[1] is the shard's `meta` hash. The clock is Redis' own and never goes back: `meta.now` keeps the highest
-- reading, so a failover to a server whose clock is behind neither revives leases nor reorders the queue. Nor does it
-- stand still: while the server is behind, time goes on at half its speed until it has caught up, from the server's
-- reading in `meta.behind`. Tests stop time by writing `stopped` there, and move it by `now`.
local prefix = string.sub(KEYS[1], 1, -5)
local task_key, attempts_key = prefix .. 't:', prefix .. 'a'
local server_time = redis.call('TIME')
local server_now = server_time[1] * 1000 + math.floor(server_time[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'now', 'behind', 'ruled', 'bounded')
local latest, behind, now = tonumber(known[1] or 0), known[2], server_now
local ruled, bounded = known[3] == '1', known[4] == '1'
if latest > now then
  local since = behind ~= 'stopped' and tonumber(behind or now) or now
  now = latest + math.max(0, math.floor((server_now - since) / 2))
end

local function keep_time()
  if latest <= server_now then
    if now > latest then redis.call('HSET', KEYS[1], 'now', string.format('%d', now)) end
    if behind then redis.call('HDEL', KEYS[1], 'behind') end
  elseif behind ~= 'stopped' and (now > latest or not behind or tonumber(behind) > server_now) then
    redis.call('HSET', KEYS[1], 'now', now, 'behind', server_now)
  end
end
