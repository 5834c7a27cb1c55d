-- Plans the tasks of a group, or says why there is none.

local listings = {}  -- tenant -> ids that its list gets

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

-- Nothing if it is new and may be added, as the next of `added` tasks with so many bytes.
local function answer_for(group, i, added, bytes)
  local answer = group.idem_key and replayed(group, ARGV[group.at + 2 * i - 1])
  if answer then return answer end
  if found[group.first + i] then return 'c' end
  answer = group.unique_key and held(group) or group.refused and 'd'
  if answer or not tight[group.tenant] then return answer end
  bytes = bytes + #group.head + #ARGV[group.at + 2 * i]
  return (whole or not fits(group.tenant, added + 1, bytes)) and 'l'
end

local function add_group(group)
  group.refused = ruled and string.sub(redis.call('HGET', prefix .. 'rules', 'kind/' .. group.kind) or '', 1, 1) == 'd'
  group.idem_key = group.idem ~= '' and prefix .. 'idem:' .. group.tenant .. ':' .. group.idem
  group.unique_key = group.unique and group.unique ~= '' and unique_key(group.tenant, group.unique)
  local waits, added, bytes, place = group.wait > 0, 0, 0
  local score = string.format('%d', now + group.wait + (waits and 0 or group.offset))
  local listing = list_in(listings, group.tenant)
  local free = not (group.idem_key or group.unique_key or group.refused or tight[group.tenant])
  for i = 1, group.count do
    local answer
    if found[group.first + i] or not free then answer = answer_for(group, i, added, bytes) end
    local id, body = ARGV[group.at + 2 * i - 1], ARGV[group.at + 2 * i]
    if not answer then
      write(id, group.head .. body)
      added, bytes = added + 1, bytes + #group.head + #body
      if group.idem_key then seen_keys[group.idem_key] = id .. ' ' .. group.fingerprint end
      if group.unique_key then seen_keys[group.unique_key] = id end
      if group.exp and group.exp ~= '' then keep_deadline(id, now + group.exp) end
      listing[#listing + 1] = id
      place = place or list_in(puts, waits and 'tm' or queue_of(group.kind, group.tenant, group.key, group.offset == 0))
      place[#place + 1], place[#place + 2] = score, id
    end
    answers[#answers + 1] = answer or 'c'
  end
  if added == 0 then return end
  count(group.tenant, added, bytes)
  per_kind[group.kind] = (per_kind[group.kind] or 0) + added
  if not waits then claimable[group.kind] = true end
end
