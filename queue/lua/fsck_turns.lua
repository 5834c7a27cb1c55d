-- Checks that whoever has tasks gets turns, that whoever stands away comes back, and that deadlines have a timer.

-- A queue of one key stands in the ring of its tenant, and the tenant in that of the flow.
local function check_turns(queue, fault)
  local flow, tenant, key = string.match(queue, '^f:([^:]*):([^:]*):(.*)$')
  if not flow or redis.call('EXISTS', prefix .. queue) == 0 then return '' end
  local keys, tenants = prefix .. 'fl:' .. flow .. ':' .. tenant, prefix .. 'fl:' .. flow
  if not redis.call('ZSCORE', keys, key) then return fault('queue_without_turn', 'ZADD', keys, 0, key) end
  if not redis.call('ZSCORE', tenants, tenant) then return fault('queue_without_turn', 'ZADD', tenants, 0, tenant) end
  return ''
end

-- The plain queue of a kind has an owner; it is that of any of its tasks.
local function check_owner(kind, fault)
  local first = redis.call('ZRANGE', prefix .. 'q:' .. kind, 0, 0)[1]
  local header = first and read_header(first)
  if not header or header.kind ~= kind or redis.call('HEXISTS', prefix .. 'own', kind) == 1 then return '' end
  return fault('queue_without_turn', 'HSET', prefix .. 'own', kind, header.tenant .. ':' .. header.key)
end

-- Keys that stand away are named where the end of a task, a timer or a change of their rule looks for them.
local function check_away(ring, fault)
  local flow, tenant = string.match(ring, '^fl:([^:]*):([^:]*)$')
  if not flow then return '' end
  local away = redis.call('ZRANGEBYSCORE', prefix .. ring, string.format('%d', AWAY), '+inf', 'LIMIT', 0, 100)
  for _, key in ipairs(away) do
    local name = prefix .. 'b:' .. tenant .. ':' .. key
    if not redis.call('ZSCORE', name, flow) then return fault('away_for_ever', 'ZADD', name, 0, flow) end
  end
  return ''
end

-- The first deadline has a timer, or none of them would be looked at.
local function check_timer(fault)
  local first = redis.call('ZRANGE', prefix .. 'exp', 0, 0, 'WITHSCORES')[2]
  local timer = redis.call('ZSCORE', prefix .. 'tm', 'exp/')
  if not first or (timer and tonumber(timer) <= tonumber(first)) then return '' end
  return fault('deadline_without_timer', 'ZADD', prefix .. 'tm', first, 'exp/')
end
