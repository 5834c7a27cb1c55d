-- Plans the removal of ended tasks whose time is over, at most `limit`. Records carry no PEXPIRE of their own:
-- lists by the moment at which results may go are cheaper, and listing entry and idempotency key go with the record.
local IDEMPOTENCY_MS = 86400000
local MOST_PRUNED = 4194304  -- bytes of records: with them a round is over, whatever its limit
local unlistings, bytes_pruned = {}, 0  -- {tenant, created, id}

local function plan_removal(id)
  local record = read_record(id) or ''
  bytes_pruned = bytes_pruned + #record
  erase(id)
  end_attempt(id)
  gone[#gone + 1] = prefix .. 'o:' .. id
  local header = parse_ended(record)
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
local function remove_some(ids)
  for i, id in ipairs(ids) do
    if bytes_pruned >= MOST_PRUNED then return i - 1 end
    plan_removal(id)
  end
  return #ids
end

local function prune_results(limit)
  local count = 0
  for _, moment in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'done', '-inf', now, 'LIMIT', 0, limit)) do
    local key = prefix .. 'done:' .. moment
    local removed = remove_some(redis.call('LRANGE', key, 0, limit - count - 1))
    count = count + removed
    trims[#trims + 1] = { key, removed }
    if redis.call('LLEN', key) == removed then drop('done', moment) end
    if count == limit or bytes_pruned >= MOST_PRUNED then break end
  end
  return count
end

-- Returns how many go, and whether there may be more whose time is over.
local function plan_prune(limit)
  local count = prune_results(limit)
  local over = redis.call('ZRANGEBYSCORE', prefix .. 'dl', '-inf', now, 'LIMIT', 0, limit - count)
  local removed = remove_some(over)
  for i = 1, removed do drop('dl', over[i]) end
  count = count + removed
  return count, count >= limit or bytes_pruned >= MOST_PRUNED
end
