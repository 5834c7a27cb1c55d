-- The plan of a script: everything is read and decided first, then `carry_out` writes it all, variadically.
-- Nothing here can fail after the first write.
local puts, drops, heads = {}, {}, {}       -- key -> {score, member, ...}, {member, ...}, count taken off the front
local records, attempts, gone = {}, {}, {}  -- key, value, ..., {key, field, value, ...}, keys to unlink
local unclaimed = {}                        -- attempt hashes whose claim ends
local hints, claimable, parked = {}, {}, 0  -- "id:letter", kinds that gained claimable tasks, ids without a record
local touched = {}                          -- ids that this script has already decided on
local lapses = {}                           -- {key, ms until it lapses}

local function put(key, score, member)
  local list = puts[key]
  if not list then list = {} puts[key] = list end
  list[#list + 1] = score
  list[#list + 1] = member
end

local function drop(key, member)
  local list = drops[key]
  if not list then list = {} drops[key] = list end
  list[#list + 1] = member
end

local function hint(id, letter)
  hints[#hints + 1] = id .. ':' .. letter
end

local function set(key, value)
  records[#records + 1] = key
  records[#records + 1] = value
end

-- An id without a record is kept aside for fsck, never dropped: dropping it would hide the fault that caused it.
local function park(id)
  parked = parked + 1
  put('park', now, id)
end

local function carry_out()
  for key, count in pairs(heads) do redis.call('ZREMRANGEBYRANK', prefix .. key, 0, count - 1) end
  for key, list in pairs(drops) do redis.call('ZREM', prefix .. key, unpack(list)) end
  for key, list in pairs(puts) do redis.call('ZADD', prefix .. key, unpack(list)) end
  -- A full batch writes 4,000 arguments; `unpack` carries just under 8,000.
  if #records > 0 then redis.call('MSET', unpack(records)) end
  for _, fields in ipairs(attempts) do redis.call('HSET', unpack(fields)) end
  -- After the writes: progress of an attempt that ends in the same script goes with its claim.
  for _, key in ipairs(unclaimed) do redis.call('HDEL', key, 'k', 'w', 's', 'd', 'p') end
  for _, lapse in ipairs(lapses) do redis.call('PEXPIRE', lapse[1], lapse[2]) end
  if #gone > 0 then redis.call('UNLINK', unpack(gone)) end
  -- One entry a script, and few entries: hints only shorten waits, readers that fall behind read the task itself.
  if #hints > 0 then
    redis.call('XADD', prefix .. 'ev', 'MAXLEN', '~', 1000, '*', 'd', table.concat(hints, ','))
  end
  if now > latest then redis.call('HSET', KEYS[1], 'now', now) end
end
