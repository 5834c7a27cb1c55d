-- Counts what is queued of a kind, in all and for each tenant and fairness key.
local MOST_LANES = 100          -- named of a kind, the longest
local sample = tonumber(ARGV[1])  -- queues looked at, of a kind

-- {name, tenant:key or nil} of at most about as many as the sample.
local function queues_of(kind)
  local queues = { { 'q:' .. kind, redis.call('HGET', prefix .. 'own', kind) or nil }, { 'solo:' .. kind } }
  for _, flow in ipairs({ kind, kind .. '!' }) do
    for _, tenant in ipairs(redis.call('ZRANGE', prefix .. 'fl:' .. flow, 0, sample - 1)) do
      for _, key in ipairs(redis.call('ZRANGE', prefix .. 'fl:' .. flow .. ':' .. tenant, 0, sample - #queues)) do
        local lane = tenant .. ':' .. key
        queues[#queues + 1] = { 'f:' .. flow .. ':' .. lane, lane }
      end
      if #queues > sample then return queues end
    end
  end
  return queues
end

local function longest(lanes)
  local names, rows = {}, {}
  for lane in pairs(lanes) do names[#names + 1] = lane end
  table.sort(names, function(a, b) return lanes[a] > lanes[b] or (lanes[a] == lanes[b] and a < b) end)
  for i = 1, math.min(#names, MOST_LANES) do rows[i] = { names[i], lanes[names[i]] } end
  return rows
end

local function count_queued(kind)
  local count, first, queues, lanes = 0, '', queues_of(kind), {}
  for _, queue in ipairs(queues) do
    local size = redis.call('ZCARD', prefix .. queue[1])
    count = count + size
    if queue[2] and size > 0 then lanes[queue[2]] = (lanes[queue[2]] or 0) + size end
    for _, id in ipairs(redis.call('ZRANGE', prefix .. queue[1], 0, math.floor(sample / #queues))) do
      if first == '' or id < first then first = id end
    end
  end
  return count, first, longest(lanes)
end
