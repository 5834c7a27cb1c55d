-- Queue deadlines of tasks: no attempt begins after it. `exp` holds them, and the timer `exp/` in `tm` is due at the first:
-- where no task has one, nothing of this is read. An entry goes when it is due or its task is pruned.
local first_deadline

local function keep_deadline(id, deadline)
  put('exp', string.format('%d', deadline), id)
  first_deadline = math.min(first_deadline or math.huge, deadline)
end

-- To be called before `earlier_timer` and `carry_out`.
local function arm_deadlines()
  if not first_deadline then return end
  local head = redis.call('ZRANGE', prefix .. 'exp', 0, 0, 'WITHSCORES')
  if not head[2] or first_deadline < tonumber(head[2]) then put('tm', first_deadline, 'exp/') end
end
