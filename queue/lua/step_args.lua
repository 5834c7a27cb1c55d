-- The worker's one round trip. KEYS: meta. Nothing in ARGV is optional; counts come before lists.
-- ARGV: worker, incarnation, seq, idle (1: nothing runs here), register (1: put me among the idle),
--   info ('' or JSON for the registry),
--   finishes n, then id, token, verdict, x, y      s|f|c ttl record-rest · r delay error-code · z delay - · l - -
--   renewals n, then id, token, lease ms           progress n, then id, token, text
--   rates n, then field, count
--   classes n, then free units                     kinds n, then kind, class (1..), cost, lease ms, extra units
--   tokens n, then one token a claim that is asked for
local cursor = 0
local function next_arg()
  cursor = cursor + 1
  return ARGV[cursor]
end

local function next_list(width)
  local rows = {}
  for i = 1, tonumber(next_arg()) do
    local row = {}
    for column = 1, width do row[column] = next_arg() end
    rows[i] = row
  end
  return rows
end

local worker, incarnation, seq = next_arg(), next_arg(), tonumber(next_arg())
local idle, register, info = next_arg() == '1', next_arg() == '1', next_arg()
local finishes, renewals = next_list(5), next_list(3)
local progress, rates = next_list(3), next_list(2)
local free, kinds, tokens = next_list(1), next_list(5), next_list(1)
for i, row in ipairs(free) do free[i] = tonumber(row[1]) end
if cursor ~= #ARGV then return redis.error_reply('ERR step: arguments do not add up') end
