-- Counts. KEYS: meta. ARGV: largest sample. Queued tasks are counted exactly; running, scheduled, waiting and dead
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

local function oldest(kind)
  local first = ''
  for _, queue in ipairs({ 'q:', 'solo:' }) do
    for _, id in ipairs(redis.call('ZRANGE', prefix .. queue .. kind, 0, sample - 1)) do
      if first == '' or id < first then first = id end
    end
  end
  return first
end

local function kind_of(id)
  local line = redis.call('GETRANGE', task_key .. id, 0, 511)
  return string.match(line, '^Q|%d+|%d*|([^|]*)|') or string.match(line, 'Q|%d+|%d*|([^|]*)|') or '?'
end

local function by_kind(index)
  local counts, row = {}, { index, redis.call('ZCARD', prefix .. index) }
  for _, id in ipairs(redis.call('ZRANGE', prefix .. index, 0, sample - 1)) do
    local kind = kind_of(id)
    counts[kind] = (counts[kind] or 0) + 1
  end
  for kind, count in pairs(counts) do row[#row + 1] = kind row[#row + 1] = count end
  return row
end

local rows = {}
for _, kind in ipairs(redis.call('HKEYS', prefix .. 'kinds')) do
  local queued = redis.call('ZCARD', prefix .. 'q:' .. kind) + redis.call('ZCARD', prefix .. 'solo:' .. kind)
  rows[#rows + 1] = { kind, queued, oldest(kind), rate('e:' .. kind), rate('f:' .. kind) }
end
local shared = { by_kind('lease'), by_kind('tm'), by_kind('wait'), by_kind('dl') }
return { now, rows, shared, redis.call('HGETALL', prefix .. 'workers') }
