-- Plans what becomes of records.
local written_key, writing  -- the span that was written to last, and its list

local function write(id, record)
  local key = span_key(id)
  if key ~= written_key then written_key, writing = key, list_in(written, key) end
  local count = #writing
  writing[count + 1], writing[count + 2] = id, record
end

local function erase(id)
  local list = list_in(erased, span_key(id))
  list[#list + 1] = id
end
