-- One plain task by itself, the most frequent call: due now, without a key, a deadline or an appointment. ARGV: `s`, then what is left
-- of its group: tenant, kind, offset ms, header tail, fairness key, span of the id, id, body. For a tenant
-- that owns its kind's queue and has a list of its tasks, with no rule and no bound set, nobody idle and room for it, this does what
-- the rest of the script would do, before any function is made: every call makes its functions anew. Else it goes on as a group of one.
-- How much a tenant may have in the queue unless it is set otherwise: tasks, and bytes of their records.
local MOST_TASKS, MOST_BYTES = 1000000, 4294967296

if ARGV[1] == 's' and not ruled and not bounded and redis.call('HGET', prefix .. 'own', ARGV[3]) == ARGV[2] .. ':' .. ARGV[6]
  and redis.call('EXISTS', prefix .. 'idle:' .. ARGV[3]) == 0 then
  local tenant, kind, id, created = ARGV[2], ARGV[3], ARGV[8], string.format('%d', now)
  local tally, index = prefix .. 'n:' .. tenant, prefix .. 'ix:' .. tenant
  local record, page = 'Q|' .. created .. '||' .. ARGV[5] .. '\n' .. ARGV[9], redis.call('ZREVRANGE', index, 0, 0)[1]
  local tasks, bytes = string.match(redis.call('GET', tally) or '0|0', '^(%d+)|(%d+)')
  tasks, bytes = tasks + 1, bytes + #record
  if page and page - now <= 0 and tasks <= MOST_TASKS and bytes <= MOST_BYTES
    and redis.call('HSETNX', task_key .. ARGV[7], id, record) == 1 then
    redis.call('SET', tally, string.format('%d|%d|', tasks, bytes) .. created)
    redis.call('ZADD', prefix .. 'q:' .. kind, string.format('%d', now + ARGV[4]), id)
    if redis.call('RPUSH', index .. ':' .. page, id) >= FULL_PAGE then
      local next = string.format('%d', now + 1)
      redis.call('ZADD', index, next, next)
    end
    keep_time()
    local rate = prefix .. 'rt:' .. string.format('%d', now / 10000)
    if redis.call('HINCRBY', rate, 'e:' .. kind, '1') == 1 then
      redis.call('PEXPIRE', rate, 120000)
      redis.call('HSETNX', prefix .. 'kinds', kind, created)
    end
    return 'c '
  end
end

local ARGV = ARGV
if ARGV[1] == 's' then
  ARGV = { '', ARGV[2], ARGV[3], '0', '0', ARGV[4], ARGV[5], '', '', ARGV[6], ARGV[7], '1', ARGV[8], ARGV[9] }
end
