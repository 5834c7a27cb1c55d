-- Reads a slice of a tenant's tasks, newest first. KEYS: meta. ARGV: tenant, cursor id or '', cursor ms, count.
-- The cursor is the last task of the slice before; if it was pruned meanwhile, its time takes its place.
-- Returns the index entries read, then the descriptions of those that still have a record.
local index = prefix .. 'ix:' .. ARGV[1]
local start = 0
if ARGV[2] ~= '' then
  local rank = redis.call('ZREVRANK', index, ARGV[2])
  start = rank and rank + 1 or redis.call('ZCOUNT', index, '(' .. ARGV[3], '+inf')
end
local entries = redis.call('ZREVRANGE', index, start, start + tonumber(ARGV[4]) - 1, 'WITHSCORES')
local answers = {}
for i = 1, #entries, 2 do
  local task = describe(entries[i])
  if task then answers[#answers + 1] = task end
end
return { entries, answers }
