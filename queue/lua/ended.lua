-- Reads the record of a task that has ended; its form is told in `settle.lua`. Returns the header of the live record within,
-- when the task ended, and the letter of its state; or nothing if this is no such record.
local function parse_ended(record)
  local finished, state, length = string.match(record, '^F|(%d+)|(%a)|.-|(%d+)\n')
  if not finished then return nil end
  return parse_header(record, string.find(record, '\n', 1, true) + length + 1), tonumber(finished), state
end
