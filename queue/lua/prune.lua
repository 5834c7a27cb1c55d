-- Plans the removal of ended tasks whose time is over, at most `limit`. Records carry no PEXPIRE of their own:
-- one index is cheaper than a timer a task, and its listing entry and idempotency key go with the record.
local IDEMPOTENCY_MS = 86400000

local function plan_removal(index, id)
  local key = task_key .. id
  drop(index, id)
  gone[#gone + 1] = key
  gone[#gone + 1] = attempt_key .. id
  gone[#gone + 1] = prefix .. 'o:' .. id
  local line = redis.call('GETRANGE', key, 0, 255)
  local length = string.match(line, '^F|.-|(%d+)\n')
  if not length then return end
  local start = string.find(line, '\n', 1, true) + tonumber(length)
  local header = parse_header(redis.call('GETRANGE', key, start, start + 255))
  if not header then return end
  drop('ix:' .. header.tenant, id)
  if header.idem == '' then return end
  local idem_key = prefix .. 'idem:' .. header.tenant .. ':' .. header.idem
  local known = redis.call('GET', idem_key)
  if not known or string.sub(known, 1, 20) ~= id then return end
  -- Results may be kept for less time than a client may repeat its request.
  local rest = header.created + IDEMPOTENCY_MS - now
  if rest > 0 then lapses[#lapses + 1] = { idem_key, rest } else gone[#gone + 1] = idem_key end
end

local function plan_prune(limit)
  local count = 0
  for _, index in ipairs({ 'done', 'dl' }) do
    local over = redis.call('ZRANGEBYSCORE', prefix .. index, '-inf', now, 'LIMIT', 0, limit - count)
    for _, id in ipairs(over) do plan_removal(index, id) end
    count = count + #over
  end
  return count
end
