-- Plans the tasks of a group, or says why there is none.

-- What an idempotency key was used for before, by this script or another.
local function replayed(group, id)
  local known = seen_keys[group.idem_key] or redis.call('GET', group.idem_key)
  if not known then return nil end
  local same = string.sub(known, 22) == group.fingerprint
  if same and string.sub(known, 1, 20) == id then return 'c' end
  return (same and 'r' or 'x') .. string.sub(known, 1, 20)
end

local function held(group)
  local holder = seen_keys[group.unique_key]
  if holder then return 'u' .. holder end
  holder = redis.call('GET', group.unique_key)
  return holder and is_live(holder) and 'u' .. holder or nil
end

local function take_key(key, value)
  seen_keys[key] = value
  set(key, value)
end

local function answer_for(group, id)
  local answer = group.idem_key and replayed(group, id)
  if answer then return answer end
  if some_exist and redis.call('EXISTS', task_key .. id) == 1 then return 'c' end
  return group.unique_key and held(group) or group.refused and 'd'
end

local function add_group(group)
  group.refused = ruled and string.sub(redis.call('HGET', prefix .. 'rules', 'kind/' .. group.kind) or '', 1, 1) == 'd'
  group.idem_key = group.idem ~= '' and prefix .. 'idem:' .. group.tenant .. ':' .. group.idem
  group.unique_key = group.unique and group.unique ~= '' and unique_key(group.tenant, group.unique)
  local wait = math.max(group.due - now, 0)
  local head = 'Q|' .. now .. '|' .. (wait > 0 and string.format('%d', wait) or '') .. '|' .. group.tail .. '\n'
  local score = string.format('%d', now + wait + (wait > 0 and 0 or group.offset))
  local place
  local listing, created = list_in(puts, 'ix:' .. group.tenant), string.format('%d', now)
  for i = 1, group.count do
    local id, body = ARGV[group.at + 2 * i - 1], ARGV[group.at + 2 * i]
    local answer = answer_for(group, id)
    if not answer then
      set(task_key .. id, head .. body)
      if group.idem_key then take_key(group.idem_key, id .. ' ' .. group.fingerprint) end
      if group.unique_key then take_key(group.unique_key, id) end
      if group.exp and group.exp ~= '' then keep_deadline(id, now + group.exp) end
      listing[#listing + 1], listing[#listing + 2] = created, id
      place = place or list_in(puts, wait > 0 and 'tm' or queue_of(group.kind, group.tenant, group.key, group.offset == 0))
      place[#place + 1], place[#place + 2] = score, id
      per_kind[group.kind] = (per_kind[group.kind] or 0) + 1
      if wait == 0 then claimable[group.kind] = true end
    end
    answers[#answers + 1] = answer or 'c'
  end
end
