-- The usual case, short: one group of plain tasks, of one span, due now, for the owner of its kind's queue, none of them there yet, no
-- rule and no bound set, and room for all. It does what the rest of this script would do, and ends it. Whatever else it is
-- goes on below, which would cost a single task three times as much: every call of a script makes all its functions anew.
do
  local tenant, kind, tail, count = ARGV[2], ARGV[3], ARGV[7], tonumber(ARGV[12] or 0)
  if count > 0 and #ARGV == 12 + 2 * count and not ruled and not bounded and ARGV[4] == '0' and ARGV[5] == '0' and ARGV[8] == ''
    and not string.find(tail, ';', 1, true) and redis.call('HGET', prefix .. 'own', kind) == tenant .. ':' .. ARGV[10] then
    local created, score = string.format('%d', now), string.format('%d', now + ARGV[6])
    local head = 'Q|' .. created .. '||' .. tail .. '\n'
    local records, queued, ids, bytes = {}, {}, {}, 0
    for i = 1, count do
      local id, body = ARGV[11 + 2 * i], ARGV[12 + 2 * i]
      local record = head .. body
      bytes = bytes + #record
      records[2 * i - 1], records[2 * i] = id, record
      queued[2 * i - 1], queued[2 * i] = score, id
      ids[i] = id
    end
    local tally = prefix .. 'n:' .. tenant
    local has_tasks, has_bytes = string.match(redis.call('GET', tally) or '0|0', '^(%d+)|(%d+)')
    local tasks = has_tasks + count
    bytes = has_bytes + bytes
    local span, new = task_key .. ARGV[11], tasks <= MOST_TASKS and bytes <= MOST_BYTES
    if new and count == 1 then
      new = redis.call('HSETNX', span, ids[1], records[2]) == 1
    elseif new then
      for _, known in ipairs(redis.call('HMGET', span, unpack(ids))) do new = new and not known end
      if new then redis.call('HSET', span, unpack(records)) end
    end
    if new then
      redis.call('SET', tally, string.format('%d|%d|', tasks, bytes) .. created)
      add(prefix .. 'q:' .. kind, queued)
      list_new(tenant, ids)
      keep_time()
      announce(kind, count)
      wake(kind)
      return string.rep('c ', count)
    end
  end
end
