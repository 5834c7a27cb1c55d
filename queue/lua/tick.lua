-- Background duties of one shard. KEYS: meta. ARGV: worker, duty lease ms.
-- Whoever holds `tick` does them for all kinds; the lease on the duty lapses with its holder.
-- Returns 0 if another worker has the duty, else 1, now, next timer ms or 0, more (1: call again), expired, promoted, pruned
local worker, duty_ms = ARGV[1], ARGV[2]
local tick_key = prefix .. 'tick'
local holder = redis.call('GET', tick_key)
if holder and holder ~= worker then return { 0 } end

local expired, promoted = plan_expiries(64), plan_promotions(64)
local pruned, prune_more = plan_prune(100)
restore_freed()
seat_all()
carry_out()
for _, entry in ipairs(unlistings) do unlist(unpack(entry)) end
redis.call('SET', tick_key, worker, 'PX', duty_ms)

-- Wake-ups can be lost with the worker that took them: whatever is claimable wakes somebody at each tick.
for _, kind in ipairs(redis.call('HKEYS', prefix .. 'kinds')) do
  if waits(kind) then wake(kind) end
end

local registry = redis.call('HGETALL', prefix .. 'workers')
for i = 1, #registry, 2 do
  local seen = tonumber(string.match(registry[i + 1], '^(%d+)') or 0)
  if now - seen > 60000 then
    redis.call('HDEL', prefix .. 'workers', registry[i])
    -- Its kinds are the words of the JSON that describes it; the other words are no kinds and do no harm.
    for kind in string.gmatch(registry[i + 1], '"([%l%d_]+)"') do
      redis.call('ZREM', prefix .. 'idle:' .. kind, registry[i])
    end
  end
end

local timer = redis.call('ZRANGE', prefix .. 'tm', 0, 0, 'WITHSCORES')
local more = (expired >= 64 or promoted >= 64 or prune_more) and 1 or 0
return { 1, now, tonumber(timer[2] or 0), more, expired, promoted, pruned }
