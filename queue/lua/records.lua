-- Where records are. `t:<span>` is a HASH of the records of all tasks whose ids were made within the same 256 ms, by id: a
-- table of its own, so that Redis' table of all keys does not grow with tasks. A span's name is what these ids begin with,
-- the eighth character without its lower three bits (`TaskId::span` in Rust, where the ids of a group are kept within one).
-- No command reads a part of a field: reading a header copies the record, at most 130 KB.
local span_head, span_name  -- of the id that was asked for last; ids in a row are mostly of one span

local function span_key(id)
  local head = string.sub(id, 1, 8)
  if head ~= span_head then
    local last = string.byte(head, 8) or 0
    local digit = last < 56 and '0' or last < 103 and '8' or last < 114 and 'g' or 'r'
    span_head, span_name = head, task_key .. string.sub(head, 1, 7) .. digit
  end
  return span_name
end

-- Or false.
local function read_record(id)
  return redis.call('HGET', span_key(id), id)
end

-- One command for those in a row that are of one span.
local function read_records(ids)
  local found, first, key = {}, 1, ids[1] and span_key(ids[1])
  for i = 2, #ids + 1 do
    local next_key = ids[i] and span_key(ids[i])
    if next_key ~= key then
      local records = redis.call('HMGET', key, unpack(ids, first, i - 1))
      if i - first == #ids then return records end
      for j = 1, i - first do found[first + j - 1] = records[j] end
      first, key = i, next_key
    end
  end
  return found
end
