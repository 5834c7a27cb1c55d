-- Reads the first line of a live task's record. A live record is
--   Q|created|wait|kind|class|live|ttl|tenant:key|idem|options;exp;unique\n<options><input>
-- created and wait in ms: created + wait is when it first became claimable. Class is the digit of the priority, options
-- the length of the JSON of that name, exp the ms after its creation at which a task that does not run ends, unique the
-- hash of kind and unique key; with neither there are no semicolons. What is empty has its default: no wait, normal
-- priority, not live, a day, no key, no options, no fairness key.
-- Returns nil if there is no record, or it is terminal: then the caller parks the id instead of dropping it.
local OFFSETS = { ['0'] = 0, ['1'] = 15000, [''] = 60000, ['3'] = 900000 }

-- The line begins at `start`, or is the first.
local function parse_header(record, start)
  local created, wait, kind, class, live, ttl, tenant, key, idem, exp, unique = string.match(
    record, '^Q|(%d+)|(%d*)|([^|\n]*)|(%d?)|(1?)|(%d*)|([^|:\n]*):?([^|\n]*)|([^|\n]*)|%d*;?(%d*);?(%x*)\n', start)
  if not created then return nil end
  return {
    created = tonumber(created), kind = kind, score = created + (tonumber(wait) or 0) + OFFSETS[class],
    live = live == '1', ttl = tonumber(ttl) or 86400000, tenant = tenant, key = key, idem = idem, realtime = class == '0',
    deadline = exp ~= '' and created + exp or nil, unique = unique ~= '' and unique or nil,
  }
end

local function read_header(id)
  return parse_header(read_record(id) or '')
end
