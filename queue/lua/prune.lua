-- Plans the removal of ended tasks whose time is over, at most `limit`. Records carry no PEXPIRE of their own:
-- lists by the moment at which results may go are cheaper, and listing entry and idempotency key go with the record.
local IDEMPOTENCY_MS = 86400000
local unlistings = {}  -- {tenant, created, id}

local function plan_removal(id)
  local key = task_key .. id
  gone[#gone + 1] = key
  end_attempt(id)
  gone[#gone + 1] = prefix .. 'o:' .. id
  local line = redis.call('GETRANGE', key, 0, HEADER_BYTES - 1)
  local length = string.match(line, '^F|.-|(%d+)\n')
  if not length then return end
  local start = string.find(line, '\n', 1, true) + tonumber(length)
  local header = parse_header(redis.call('GETRANGE', key, start, start + HEADER_BYTES - 1))
  if not header then return end
  unlistings[#unlistings + 1] = { header.tenant, header.created, id }
  if header.deadline then drop('exp', id) end
  if header.unique and redis.call('GET', unique_key(header.tenant, header.unique)) == id then
    gone[#gone + 1] = unique_key(header.tenant, header.unique)
  end
  if header.idem == '' then return end
  local idem_key = prefix .. 'idem:' .. header.tenant .. ':' .. header.idem
  local known = redis.call('GET', idem_key)
  if not known or string.sub(known, 1, 20) ~= id then return end
  -- Results may be kept for less time than a client may repeat its request.
  local rest = header.created + IDEMPOTENCY_MS - now
  if rest > 0 then lapses[#lapses + 1] = { idem_key, rest } else gone[#gone + 1] = idem_key end
end

-- Takes from the front of the lists whose moment has come.
local function prune_results(limit)
  local count = 0
  for _, moment in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'done', '-inf', now, 'LIMIT', 0, limit)) do
    local key = prefix .. 'done:' .. moment
    local ids = redis.call('LRANGE', key, 0, limit - count - 1)
    for _, id in ipairs(ids) do plan_removal(id) end
    count = count + #ids
    trims[#trims + 1] = { key, #ids }
    if redis.call('LLEN', key) == #ids then drop('done', moment) end
    if count == limit then break end
  end
  return count
end

local function plan_prune(limit)
  local count = prune_results(limit)
  local over = redis.call('ZRANGEBYSCORE', prefix .. 'dl', '-inf', now, 'LIMIT', 0, limit - count)
  for _, id in ipairs(over) do
    plan_removal(id)
    drop('dl', id)
  end
  return count + #over
end
