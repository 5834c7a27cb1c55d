-- Adds tasks. KEYS: meta. A task that comes again (same id: its first reply was lost) is answered as created.
-- ARGV: count, then per task:
--   id, tenant, kind, run_at ms or 0, delay ms or 0, offset ms, header tail (kind|..|idem), body, idem hash, fingerprint
-- Returns one string per task: 'c' created, 'r<id>' replayed idempotency key, 'x<id>' key used for another request.
local count = tonumber(ARGV[1])
local answers, seen_keys, per_kind, keys = {}, {}, {}, {}

for i = 1, count do keys[i] = prefix .. 't:' .. ARGV[2 + (i - 1) * 10] end
local some_exist = count > 0 and redis.call('EXISTS', unpack(keys)) > 0

local function known_key(tenant, idem)
  local key = prefix .. 'idem:' .. tenant .. ':' .. idem
  return seen_keys[key] or redis.call('GET', key), key
end

local function add(i)
  local id, tenant, kind, run_at, delay, offset, tail, body, idem, fingerprint = unpack(ARGV, i, i + 9)
  if idem ~= '' then
    local known, key = known_key(tenant, idem)
    if known then
      local same = string.sub(known, 22) == fingerprint
      if same and string.sub(known, 1, 20) == id then return 'c' end
      return (same and 'r' or 'x') .. string.sub(known, 1, 20)
    end
    seen_keys[key] = id .. ' ' .. fingerprint
    set(key, seen_keys[key])
  end
  local due = math.max(tonumber(run_at), tonumber(delay) > 0 and now + tonumber(delay) or 0)
  local base = math.max(now, due)
  if some_exist and redis.call('EXISTS', prefix .. 't:' .. id) == 1 then return 'c' end
  set(prefix .. 't:' .. id, table.concat({ 'Q', now, base, tail }, '|') .. '\n' .. body)
  put('ix:' .. tenant, now, id)
  per_kind[kind] = (per_kind[kind] or 0) + 1
  if due > now then
    put('tm', due, id)
  else
    put('q:' .. kind, base + tonumber(offset), id)
    claimable[kind] = true
  end
  return 'c'
end

for i = 1, count do answers[i] = add(2 + (i - 1) * 10) end
local poke = earlier_timer()
carry_out()
-- A kind is announced again every ten seconds: a Redis that lost its data soon knows it, at no cost worth counting.
for kind, added in pairs(per_kind) do
  if count_rate('e:' .. kind, added) then redis.call('HSETNX', prefix .. 'kinds', kind, now) end
end
for kind in pairs(claimable) do wake(kind) end
if poke then wake_ticker() end
return answers
