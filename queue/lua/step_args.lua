-- The worker's one round trip. KEYS: meta. ARGV: worker, incarnation, seq, flags, info ('' or JSON for the registry),
-- lease token for the claims, most claims, then how many of each follow: finishes, renewals, progress, rates, classes,
-- kinds. Flags: 1 nothing runs here, 2 put me among the idle. The lists:
--   finishes  id, token|, verdict, record   s, f, c and ms to keep it, tenant, bytes of the live record · r, z and ms of
--                                           delay · l; record '' unless it ends
--   renewals  id, token|, lease ms          progress  id, token|, text      rates  field, count
--   classes   free units                    kinds     kind, class (1..), cost, lease ms, extra units, most claims,
--                                                     units held if it is to be spread, or ''
-- All claims of a step have its token: a task is claimed at most once in a step, so it is unique to the attempt.
local worker, incarnation, seq, info = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5]
local idle, register = tonumber(ARGV[4]) % 2 == 1, tonumber(ARGV[4]) >= 2
local token, wanted = ARGV[6], tonumber(ARGV[7])
local finish_count, finishes_at = tonumber(ARGV[8]), 14
local cursor = 14 + 4 * finish_count

local function next_list(count, width)
  local rows = {}
  for i = 1, tonumber(count) do
    local row = {}
    for column = 1, width do row[column] = ARGV[cursor + column - 1] end
    rows[i] = row
    cursor = cursor + width
  end
  return rows
end

local renewals, progress, rates = next_list(ARGV[9], 3), next_list(ARGV[10], 3), next_list(ARGV[11], 2)
local free, kinds = next_list(ARGV[12], 1), next_list(ARGV[13], 7)
if cursor ~= #ARGV + 1 then return redis.error_reply('ERR step: arguments do not add up') end
for i, row in ipairs(free) do free[i] = tonumber(row[1]) end
for i, row in ipairs(kinds) do
  kinds[i] = {
    kind = row[1], class = tonumber(row[2]), cost = tonumber(row[3]), lease = tonumber(row[4]), extra = tonumber(row[5]),
    most = tonumber(row[6]), load = tonumber(row[7]),
  }
end
