-- Reads the first line of a live task's record. A live record is
--   Q|created|base|kind|offset|live|ttl|tenant|idem\n<body>
-- with times in milliseconds; base + offset is its score in the queue. The line fits in 255 bytes (checked in Rust).
-- Returns nil if there is no record, or it is terminal: then the caller parks the id instead of dropping it.
local function parse_header(line)
  local created, base, kind, offset, live, ttl, tenant, idem =
    string.match(line, '^Q|(%d+)|(%d+)|([^|]*)|(%d+)|(%d)|(%d+)|([^|]*)|([^\n]*)\n')
  if not created then return nil end
  return {
    created = tonumber(created), base = tonumber(base), kind = kind, offset = tonumber(offset),
    live = live == '1', ttl = tonumber(ttl), tenant = tenant, idem = idem,
  }
end

local function read_header(id)
  return parse_header(redis.call('GETRANGE', task_key .. id, 0, 255))
end
