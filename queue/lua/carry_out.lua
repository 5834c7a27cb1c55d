-- Writes the plan: one command for each key that changes, one for the records of each span. The largest batch writes 2,000
-- arguments at once; `unpack` carries just under 8,000.
local function carry_out()
  settle_tallies()
  for key, count in pairs(heads) do redis.call('ZREMRANGEBYRANK', prefix .. key, 0, count - 1) end
  for key, list in pairs(drops) do redis.call('ZREM', prefix .. key, unpack(list)) end
  for key, name in pairs(renames) do
    if redis.call('EXISTS', prefix .. key) == 1 then redis.call('RENAME', prefix .. key, prefix .. name) end
  end
  for kind, owner in pairs(owned) do
    if owner then redis.call('HSET', prefix .. 'own', kind, owner) else redis.call('HDEL', prefix .. 'own', kind) end
  end
  for key, list in pairs(puts) do add(prefix .. key, list) end
  for key, score in pairs(forgets) do redis.call('ZREMRANGEBYSCORE', prefix .. key, '-inf', score) end
  for key, score in pairs(raises) do redis.call('ZADD', prefix .. key, 'GT', score, '') end
  for _, trim in ipairs(trims) do redis.call('LTRIM', trim[1], trim[2], -1) end
  for moment, ids in pairs(kept) do
    redis.call('RPUSH', prefix .. 'done:' .. moment, unpack(ids))
    redis.call('ZADD', prefix .. 'done', moment, moment)
  end
  for key, list in pairs(written) do redis.call('HSET', key, unpack(list)) end
  if #texts > 0 then redis.call('MSET', unpack(texts)) end
  if #held_on > 0 then
    if #held_on >= 32 then held_on[#held_on + 1], held_on[#held_on + 2], let_go[#let_go + 1] = LONG, LONG, LONG end
    redis.call('HSET', attempts_key, unpack(held_on))
  end
  if #let_go > 0 then redis.call('HDEL', attempts_key, unpack(let_go)) end
  for _, lapse in ipairs(lapses) do redis.call('PEXPIRE', lapse[1], lapse[2]) end
  for key, ids in pairs(erased) do redis.call('HDEL', key, unpack(ids)) end
  if #gone > 0 then redis.call('UNLINK', unpack(gone)) end
  -- One entry a script, and few entries: hints only shorten waits, readers that fall behind read the task itself.
  if #hints > 0 then
    redis.call('XADD', prefix .. 'ev', 'MAXLEN', '~', 1000, '*', 'd', table.concat(hints, ','))
  end
  drops = {}
  keep_time()
end
