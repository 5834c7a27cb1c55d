-- Adds tasks. KEYS: meta. A task that comes again (same id: its first reply was lost) is answered as created.
-- ARGV: groups of tasks that differ by id and body alone:
--   tenant, kind, run_at ms or 0, delay ms or 0, offset ms, header tail (kind|..|options;exp), idem hash, fingerprint,
--   fairness key, count, then id and body of each. A task with an idempotency key is a group of its own.
-- Returns a word a task: 'c' created, 'r<id>' replayed idempotency key, 'x<id>' key used for another request, 'd' refused,
-- the kind is being drained.
local answers, seen_keys, per_kind, ids, groups = {}, {}, {}, {}, {}
local cursor = 1
while cursor <= #ARGV do
  local group = { at = cursor + 9, count = tonumber(ARGV[cursor + 9]), key = ARGV[cursor + 8] }
  group.tenant, group.kind, group.tail, group.idem = ARGV[cursor], ARGV[cursor + 1], ARGV[cursor + 5], ARGV[cursor + 6]
  group.fingerprint, group.offset = ARGV[cursor + 7], tonumber(ARGV[cursor + 4])
  group.due = math.max(tonumber(ARGV[cursor + 2]), ARGV[cursor + 3] ~= '0' and now + tonumber(ARGV[cursor + 3]) or 0)
  for i = 1, group.count do ids[#ids + 1] = task_key .. ARGV[group.at + 2 * i - 1] end
  groups[#groups + 1], cursor = group, group.at + 2 * group.count + 1
end
local some_exist = #ids > 0 and redis.call('EXISTS', unpack(ids)) > 0

-- The answer for an idempotency key that is known; notes one that is not.
local function known_key(group, id)
  local key = prefix .. 'idem:' .. group.tenant .. ':' .. group.idem
  local known = seen_keys[key] or redis.call('GET', key)
  if not known then
    if group.refused then return nil end
    seen_keys[key] = id .. ' ' .. group.fingerprint
    return set(key, seen_keys[key])
  end
  local same = string.sub(known, 22) == group.fingerprint
  if same and string.sub(known, 1, 20) == id then return 'c' end
  return (same and 'r' or 'x') .. string.sub(known, 1, 20)
end

local function add_group(group)
  group.refused = ruled and string.sub(redis.call('HGET', prefix .. 'rules', 'kind/' .. group.kind) or '', 1, 1) == 'd'
  local wait = math.max(group.due - now, 0)
  local head = 'Q|' .. now .. '|' .. (wait > 0 and string.format('%d', wait) or '') .. '|' .. group.tail .. '\n'
  local score = string.format('%d', now + wait + (wait > 0 and 0 or group.offset))
  local place, exp = nil, string.match(group.tail, ';(%d+)$')
  local listing, created = list_in(puts, 'ix:' .. group.tenant), string.format('%d', now)
  for i = 1, group.count do
    local id, body = ARGV[group.at + 2 * i - 1], ARGV[group.at + 2 * i]
    local key, answer = task_key .. id, group.idem ~= '' and known_key(group, id)
    local fresh = not answer and not (some_exist and redis.call('EXISTS', key) == 1)
    if fresh and group.refused then
      answer = 'd'
    elseif fresh then
      set(key, head .. body)
      listing[#listing + 1], listing[#listing + 2] = created, id
      if exp then keep_deadline(id, now + exp) end
      place = place or list_in(puts, wait > 0 and 'tm' or queue_of(group.kind, group.tenant, group.key, group.offset == 0))
      place[#place + 1], place[#place + 2] = score, id
      per_kind[group.kind] = (per_kind[group.kind] or 0) + 1
      if wait == 0 then claimable[group.kind] = true end
    end
    answers[#answers + 1] = answer or 'c'
  end
end
