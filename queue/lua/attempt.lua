-- What a task has used up and who holds it. `a:<id>` is there while a task runs, and once it has used something up:
--   token|holds|attempt|losses|started|lease ms|worker|cancel|progress     started in Unix ms; cancel is 1 or empty
-- Holds: <kind>/<tenant>:<key>, the limits of concurrency that the attempt counts for, either part empty; empty for none.
-- Of a task that does not run only `||attempt|losses` is left. One string instead of a hash: a step reads and writes
-- those of all its tasks by one command each.
local BEFORE_CANCEL = '^([^|]*|[^|]*|%d+|%d+|%d+|%d+|[^|]*|)1?'

local function parse_attempt(text)
  local token, held, used, losses, rest = string.match(text or '||0|0', '^([^|]*)|([^|]*)|(%d+)|(%d+)(.*)$')
  local started, lease, worker, cancel = string.match(rest, '^|(%d+)|(%d+)|([^|]*)|(1?)|')
  return {
    token = token, holds = held, used = tonumber(used), losses = tonumber(losses), started = tonumber(started),
    lease = tonumber(lease or 0), worker = worker, canceled = cancel == '1',
  }
end

local function read_attempts(ids)
  if #ids == 0 then return {} end
  local keys = {}
  for i = 1, #ids do keys[i] = attempt_key .. ids[i] end
  return redis.call('MGET', unpack(keys))
end

-- `token` is a lease token and the bar behind it.
local function holds(attempt, token)
  return attempt and string.find(attempt, token, 1, true) == 1
end
