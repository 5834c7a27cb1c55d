-- Counts. KEYS: meta. ARGV: largest sample. Queued tasks are counted exactly up to that many keys; running, scheduled, waiting and dead
-- ones are told apart by kind on a sample of their shared index, so a status never walks a long one.
-- Returns now, a list of {kind, queued, oldest id or '', enqueued, finished}, a list of {index, size, kind, sampled, ...},
-- and the registry of workers.
local sample = tonumber(ARGV[1])

local function rate(field)
  local total = 0
  local slot = math.floor(now / 10000)
  for age = 1, 6 do total = total + tonumber(redis.call('HGET', prefix .. 'rt:' .. slot - age, field) or 0) end
  return total
end

local function queues_of(kind)
  local queues = { 'q:' .. kind, 'solo:' .. kind }
  for _, flow in ipairs({ kind, kind .. '!' }) do
    for _, tenant in ipairs(redis.call('ZRANGE', prefix .. 'fl:' .. flow, 0, sample - 1)) do
      local lanes = flow .. ':' .. tenant
      for _, key in ipairs(redis.call('ZRANGE', prefix .. 'fl:' .. lanes, 0, sample - #queues)) do
        queues[#queues + 1] = 'f:' .. lanes .. ':' .. key
      end
      if #queues > sample then return queues end
    end
  end
  return queues
end

local function count_queued(kind)
  local count, first, queues = 0, '', queues_of(kind)
  for _, queue in ipairs(queues) do
    count = count + redis.call('ZCARD', prefix .. queue)
    for _, id in ipairs(redis.call('ZRANGE', prefix .. queue, 0, math.floor(sample / #queues))) do
      if first == '' or id < first then first = id end
    end
  end
  return count, first
end

local function kind_of(id)
  local line = redis.call('GETRANGE', task_key .. id, 0, 511)
  return string.match(line, '^Q|%d+|%d*|([^|]*)|') or string.match(line, 'Q|%d+|%d*|([^|]*)|') or '?'
end

local function by_kind(index)
  local counts, row = {}, { index, redis.call('ZCARD', prefix .. index) }
  for _, id in ipairs(redis.call('ZRANGE', prefix .. index, 0, sample - 1)) do
    local kind = not string.find(id, '/', 1, true) and kind_of(id)  -- timers of rules are no tasks
    if kind then counts[kind] = (counts[kind] or 0) + 1 end
  end
  for kind, count in pairs(counts) do row[#row + 1] = kind row[#row + 1] = count end
  return row
end

local rows = {}
for _, kind in ipairs(redis.call('HKEYS', prefix .. 'kinds')) do
  local queued, oldest = count_queued(kind)
  rows[#rows + 1] = { kind, queued, oldest, rate('e:' .. kind), rate('f:' .. kind) }
end
local shared = { by_kind('lease'), by_kind('tm'), by_kind('wait'), by_kind('dl') }
return { now, rows, shared, redis.call('HGETALL', prefix .. 'workers') }
