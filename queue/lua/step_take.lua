-- Takes what `step_pick.lua` finds.
local function take_plain(row)
  picked[#picked + 1], rows[#rows + 1] = row.window[row.next], row
  row.next, row.taken = row.next + 2, row.taken + 1
end

local function take_of_visit(row)
  local visit = row.visit
  local entry = visit.entry
  picked[#picked + 1], rows[#rows + 1] = visit.window[visit.next], row
  origins[#picked] = visit
  visit.next, visit.quota = visit.next + 2, visit.quota - 1
  entry.taken, entry.pass, visit.tenant.pass = entry.taken + 1, entry.pass + 1, visit.tenant.pass + 1
  heads[visit.queue] = entry.taken
  spend(entry.room)
  -- The window was one longer than the quota: at its end there is nothing more.
  if visit.next > #visit.window then
    entry.gone = 'empty'
  elseif entry.room.free < 1 then
    entry.gone, visit.tenant.keys.away = 'away', true
  end
end

local function pick_shared()
  while #picked < wanted do
    local row, limit = most_urgent()
    if not row then return end
    repeat
      if row.fair then take_of_visit(row) else take_plain(row) end
      used[row.class], row.most = used[row.class] + row.cost, row.most - 1
      if row.room then spend(row.room) end
    -- What one key was given may have been the last that another kind's tasks of this key were allowed.
    until row.fair or #picked == wanted or not has_room(row) or (head_score(row) or math.huge) >= limit
    if not row.fair then heads['q:' .. row.kind] = row.taken end
  end
end

-- What the rules allow of each kind, and whether it has rings. Returns false if none has, nor tasks to run alone.
local function prepare_kinds()
  local places, fields = {}, {}
  for i, row in ipairs(kinds) do
    places[3 * i - 2], places[3 * i - 1] = prefix .. 'fl:' .. row.kind, prefix .. 'fl:' .. row.kind .. '!'
    places[3 * i], fields[i] = prefix .. 'solo:' .. row.kind, 'kind/' .. row.kind
  end
  local any = redis.call('EXISTS', unpack(places)) > 0
  local texts = ruled and redis.call('HMGET', prefix .. 'rules', unpack(fields))
  for i, row in ipairs(kinds) do
    if texts and texts[i] then row.room = room_of(row.kind, fields[i], parse_rule(texts[i])) end
    if any then
      row.usual, row.fast = ring_at('fl:' .. row.kind, 'tenant/'), ring_at('fl:' .. row.kind .. '!', 'tenant/')
      row.fair = has_room(row) and front_tenant(row) ~= nil
    end
  end
  return any
end
