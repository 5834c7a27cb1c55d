-- Counts. KEYS: meta. ARGV: largest sample. Queued tasks are counted exactly up to that many keys; running, scheduled, waiting and dead
-- ones are told apart by kind on a sample of their shared index, so a status never walks a long one, nor reads many bytes.
-- Returns now, a list of {kind, queued, oldest id or '', enqueued, finished, 1 if it is paused, {tenant:key, queued} of the
-- longest}, a list of {index, size, looked at, kind, sampled, ...}, and the registry of workers.
local MOST_SAMPLED = 2097152  -- bytes of records, of one index

local function rate(field)
  local total = 0
  local slot = math.floor(now / 10000)
  for age = 1, 6 do total = total + tonumber(redis.call('HGET', prefix .. 'rt:' .. slot - age, field) or 0) end
  return total
end

local function kind_of(record)
  local header = parse_header(record) or parse_ended(record)
  return header and header.kind or '?'
end

local function by_kind(index)
  local counts, looked, bytes = {}, 0, 0
  for _, id in ipairs(redis.call('ZRANGE', prefix .. index, 0, sample - 1)) do
    if bytes > MOST_SAMPLED then break end
    looked = looked + 1
    if not string.find(id, '/', 1, true) then  -- timers of rules are no tasks
      local record = read_record(id) or ''
      local kind = kind_of(record)
      counts[kind], bytes = (counts[kind] or 0) + 1, bytes + #record
    end
  end
  local row = { index, redis.call('ZCARD', prefix .. index), looked }
  for kind, count in pairs(counts) do row[#row + 1] = kind row[#row + 1] = count end
  return row
end

local rows = {}
for _, kind in ipairs(redis.call('HKEYS', prefix .. 'kinds')) do
  local queued, oldest, lanes = count_queued(kind)
  local rule = ruled and redis.call('HGET', prefix .. 'rules', 'kind/' .. kind)
  local paused = rule and string.sub(rule, 1, 1) == 'p' and 1 or 0
  rows[#rows + 1] = { kind, queued, oldest, rate('e:' .. kind), rate('f:' .. kind), paused, lanes }
end
local shared = { by_kind('lease'), by_kind('tm'), by_kind('wait'), by_kind('dl') }
return { now, rows, shared, redis.call('HGETALL', prefix .. 'workers') }
