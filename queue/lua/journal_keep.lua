-- What keeps a journal in order without an attempt. `jh:<journal>` knows who holds pages, each as `<page>:<name>` until a
-- moment. ARGV as in journal.lua:
--   rewrite: page, records that it holds, records that it is to hold, their weight -> 1, or 0 if it holds others
--   restore: epoch, note -> 1, or 0 if it is known with that epoch or a later one
--   hold: name, page, milliseconds -> 1
--   release: name, page -> 1
local holds = prefix .. 'jh:' .. journal

function operations.rewrite(page, before, after, weight)
  local key = page_key(page)
  if (redis.call('GET', key) or '') ~= before then return 0 end
  if after == '' then
    redis.call('UNLINK', key)
    redis.call('HDEL', weights, page)
    return 1
  end
  redis.call('SET', key, after)
  redis.call('HSET', weights, page, weight)
  return 1
end

-- Whoever claims it next gets a higher epoch than any that the records' names have.
function operations.restore(epoch, note)
  local known = read_head()
  if redis.call('HEXISTS', heads, journal) == 1 and known >= tonumber(epoch) then return 0 end
  redis.call('HSET', heads, journal, string.format('%d||%s', epoch, note))
  return 1
end

function operations.hold(name, page, milliseconds)
  redis.call('ZREMRANGEBYSCORE', holds, '-inf', now)
  redis.call('ZADD', holds, now + milliseconds, page .. ':' .. name)
  local last = redis.call('ZRANGE', holds, -1, -1, 'WITHSCORES')
  redis.call('PEXPIRE', holds, tonumber(last[2]) - now + 1)
  return 1
end

function operations.release(name, page)
  redis.call('ZREM', holds, page .. ':' .. name)
  return 1
end
