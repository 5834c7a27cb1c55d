-- Background duties of one shard: what whoever has them does, after `tick_offer.lua`.
-- Returns 1, now, when a lease or a timer is due next or 0, more (1: call again), expired, promoted, pruned
local expired, promoted = plan_expiries(64), plan_promotions(64)
local pruned, prune_more = plan_prune(100)
restore_freed()
seat_all()
carry_out()
for _, entry in ipairs(unlistings) do unlist(unpack(entry)) end
redis.call('SET', prefix .. 'tick', worker, 'PX', duty_ms)

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

local due = math.huge
for _, key in ipairs({ 'tm', 'lease' }) do
  local first = redis.call('ZRANGE', prefix .. key, 0, 0, 'WITHSCORES')
  due = math.min(due, tonumber(first[2] or due))
end
local more = (expired >= 64 or promoted >= 64 or prune_more) and 1 or 0
return { 1, now, due < math.huge and due or 0, more, expired, promoted, pruned }
