-- What each tenant has in the queue: `n:<tenant>` is tasks|bytes|last, the tasks that have not ended, the bytes of their
-- records, and when that last changed, ms. It is written by the script that writes the records.
local tallies, known_tallies = {}, {}  -- tenant -> {tasks, bytes} that this script adds; what stood there before, or false

local function count(tenant, tasks, bytes)
  local tally = tallies[tenant]
  if not tally then
    tallies[tenant] = { tasks, bytes }
  else
    tally[1], tally[2] = tally[1] + tasks, tally[2] + bytes
  end
end

local function read_tallies(tenants)
  local keys, names = {}, {}
  for tenant in pairs(tenants) do
    if known_tallies[tenant] == nil then
      names[#names + 1] = tenant
      keys[#names] = prefix .. 'n:' .. tenant
    end
  end
  if #keys == 0 then return end
  local values = redis.call('MGET', unpack(keys))
  for i, tenant in ipairs(names) do known_tallies[tenant] = values[i] end
end

-- With what this script adds.
local function tally_of(tenant)
  local tasks, bytes = string.match(known_tallies[tenant] or '0|0', '^(%d+)|(%d+)')
  local added = tallies[tenant] or { 0, 0 }
  return tonumber(tasks) + added[1], tonumber(bytes) + added[2]
end

local function settle_tallies()
  read_tallies(tallies)
  for tenant in pairs(tallies) do
    local key, tasks, bytes = prefix .. 'n:' .. tenant, tally_of(tenant)
    if tasks > 0 then
      set(key, string.format('%d|%d|%d', tasks, math.max(bytes, 0), now))
    else
      gone[#gone + 1] = key
    end
  end
  tallies = {}
end
