-- Adds score, member, ... to a sorted set. A small one is a packed list that Redis searches from the front, once for each
-- member added or removed: many at once make it a tree, by a member longer than lists take (`zset-max-listpack-value`).
local LONG = '-----------------------------------------------------------------'

local function add(key, list)
  if #list < 32 then
    redis.call('ZADD', key, unpack(list))
  else
    redis.call('ZADD', key, 0, LONG, unpack(list))
    redis.call('ZREM', key, LONG)
  end
end
