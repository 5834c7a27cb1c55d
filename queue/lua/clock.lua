-- Binds `prefix`, what every key of this shard starts with, `task_key` and `attempt_key`, what the keys of records and
-- of attempts start with, and `now`, Unix milliseconds.
-- KEYS[1] is the shard's `meta` hash. The clock is Redis' own and never goes back: `meta.now` keeps the highest
-- reading, so a failover to a server whose clock is behind neither revives leases nor reorders the queue.
-- Tests stop and move time by writing that field.
local prefix = string.match(KEYS[1], '^(.*})') .. ':'
local task_key, attempt_key = prefix .. 't:', prefix .. 'a:'
local server_time = redis.call('TIME')
local now = server_time[1] * 1000 + math.floor(server_time[2] / 1000)
local latest = tonumber(redis.call('HGET', KEYS[1], 'now') or 0)
if latest > now then now = latest end
