-- Describes one task, or false if there is none: id, record, state letter, place, attempt (see `attempt.lua`) or false.
-- State: the record's own if it ended, else r running, d scheduled, q queued, w waiting, by the index that holds it.
-- Place: due ms of a scheduled task, tasks ahead of a queued one.
local function describe(id)
  local record = read_record(id)
  if not record then return false end
  local function answer(state, place) return { id, record, state, place, redis.call('HGET', attempts_key, id) } end
  local ended = string.match(record, '^F|%d+|(%a)|')
  if ended then return answer(ended, false) end
  if redis.call('ZSCORE', prefix .. 'lease', id) then return answer('r', false) end
  local due = redis.call('ZSCORE', prefix .. 'tm', id)
  if due then return answer('d', due) end
  local header = parse_header(record)
  if header then
    local lane = ':' .. header.tenant .. ':' .. header.key
    for _, queue in ipairs({ 'q:' .. header.kind, 'f:' .. header.kind .. lane, 'f:' .. header.kind .. '!' .. lane }) do
      local rank = redis.call('ZRANK', prefix .. queue, id)
      if rank then return answer('q', rank) end
    end
    if redis.call('ZSCORE', prefix .. 'solo:' .. header.kind, id) then return answer('q', 0) end
  end
  return answer(redis.call('ZSCORE', prefix .. 'wait', id) and 'w' or 'q', false)
end
