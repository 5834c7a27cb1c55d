-- Writes a journal: records in pages that outlive the task, fenced by the lease of the attempt that writes them. `jn` knows
-- every journal by `<tenant>:<name>`, as `<epoch>|<task that wrote last>|<note>`; `jp:<journal>` knows its pages, each with
-- the sum of its records' weights; `j:<journal>:<page>` holds the records of one. KEYS: meta. ARGV: operation, journal, then
--   claim: task, token, note -> {epoch, task that wrote before or ''}, or false if the lease is lost
--   append: task, token, epoch, page, records, weight -> 'w' written, 'd' written before, 'l' the lease is lost
--   trim: page, first record, bytes, weight -> 1, or 0 if the page does not begin with that record
--   forget: -> 1, or 0 if it has pages or the task that claimed it last is at work
local heads, journal = prefix .. 'jn', ARGV[2]
local weights = prefix .. 'jp:' .. journal

local function page_key(page)
  return prefix .. 'j:' .. journal .. ':' .. page
end

local function has_lease(id, token)
  local held = redis.call('HGET', attempts_key, id)
  return held and string.find(held, token .. '|', 1, true) == 1
end

local function read_head()
  local epoch, task = string.match(redis.call('HGET', heads, journal) or '0||', '^(%d+)|([^|]*)|')
  return tonumber(epoch), task
end

local operations = {}

function operations.claim(id, token, note)
  if not has_lease(id, token) then return false end
  local epoch, task = read_head()
  redis.call('HSET', heads, journal, string.format('%d|%s|%s', epoch + 1, id, note))
  return { epoch + 1, task }
end

-- The last record tells a repeated append: no two are alike.
function operations.append(id, token, epoch, page, records, weight)
  local known = read_head()
  if known ~= tonumber(epoch) or not has_lease(id, token) then return 'l' end
  local key = page_key(page)
  if redis.call('GETRANGE', key, -#records, -1) == records then return 'd' end
  redis.call('APPEND', key, records)
  redis.call('HINCRBY', weights, page, weight)
  return 'w'
end

function operations.trim(page, first, bytes, weight)
  local key = page_key(page)
  if redis.call('GETRANGE', key, 0, #first - 1) ~= first then return 0 end
  local rest = redis.call('GETRANGE', key, bytes, -1)
  if rest ~= '' then
    redis.call('SET', key, rest)
    redis.call('HINCRBY', weights, page, -weight)
    return 1
  end
  redis.call('UNLINK', key)
  redis.call('HDEL', weights, page)
  return 1
end
