-- Plans the end of tasks whose queue deadline has passed.
local EXPIRED = '{"code":"expired","class":"retryable","message":"no attempt could begin before its deadline",'
  .. '"retryable":true,"attempt":%d}'
local late = false  -- some deadlines may have passed: claims have to look at each task

local function is_over(header)
  return header.deadline and header.deadline <= now
end

local function bury_expired(id, held)
  touched[id] = 'ended'
  bury(id, 'e', 'deadline_before_start', string.format(EXPIRED, held.used), held)
end

-- An attempt that runs may end; whether another may follow is seen then.
local function plan_deadlines(limit)
  late = true
  local rows, ids = redis.call('ZRANGE', prefix .. 'exp', 0, limit, 'WITHSCORES'), {}
  for i = 1, #rows, 2 do
    local deadline = tonumber(rows[i + 1])
    if deadline > now or #ids == limit then
      put('tm', deadline, 'exp/')
      break
    end
    ids[#ids + 1] = rows[i]
    drop('exp', rows[i])
  end
  for i, attempt in ipairs(read_attempts(ids)) do
    local held = parse_attempt(attempt)
    local header = held.token == '' and read_header(ids[i])
    if header and touched[ids[i]] ~= 'ended' then
      withdraw(ids[i], header)
      bury_expired(ids[i], held)
    end
  end
end
