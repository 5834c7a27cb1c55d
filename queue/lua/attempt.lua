-- What a task has used up and who holds it. `a` has an entry while a task runs, and once it has used something up:
--   token|holds|attempt|losses|started|lease ms|worker|cancel|progress     started in Unix ms; cancel is 1 or empty
-- Holds: <kind>/<tenant>:<key>, the limits of concurrency that the attempt counts for, either part empty; empty for none.
-- Of a task that does not run only `||attempt|losses` is left. One hash for all: a step reads and writes those of its tasks by
-- one command each, and finds them in a small table, however many records there are.
local BEFORE_CANCEL = '^([^|]*|[^|]*|%d+|%d+|%d+|%d+|[^|]*|)1?'

local function parse_attempt(text)
  local token, held, used, losses, rest = string.match(text or '||0|0', '^([^|]*)|([^|]*)|(%d+)|(%d+)(.*)$')
  local started, lease, worker, cancel = string.match(rest, '^|(%d+)|(%d+)|([^|]*)|(1?)|')
  return {
    token = token, holds = held, used = tonumber(used), losses = tonumber(losses), started = tonumber(started),
    lease = tonumber(lease or 0), worker = worker, canceled = cancel == '1',
  }
end

local function read_attempt(id)
  return redis.call('HGET', attempts_key, id)
end

local function read_attempts(ids)
  if #ids == 0 then return {} end
  return redis.call('HMGET', attempts_key, unpack(ids))
end

local function keep_attempt(id, attempt)
  local count = #held_on
  held_on[count + 1], held_on[count + 2] = id, attempt
end

local function end_attempt(id)
  let_go[#let_go + 1] = id
end

-- `token` is a lease token and the bar behind it.
local function holds(attempt, token)
  return attempt and string.find(attempt, token, 1, true) == 1
end
