-- Reads a slice of a tenant's tasks, newest first. KEYS: meta. ARGV: tenant, cursor id or '', cursor ms, count.
-- The slice begins behind the cursor, which is the last task of the slice before. If that was pruned meanwhile it begins at
-- the end of its page: tasks newer than the cursor come again.
-- Returns the ids read, each with its page behind it, then the descriptions of those that still have a record.
local index, cursor, wanted = prefix .. 'ix:' .. ARGV[1], ARGV[2], tonumber(ARGV[4])
-- No page but the newest is empty, so these are enough.
local pages = redis.call('ZREVRANGEBYSCORE', index, cursor ~= '' and ARGV[3] or '+inf', '-inf', 'LIMIT', 0, wanted + 2)
-- How many entries of the first page are older than the cursor.
local older = cursor ~= '' and pages[1] and redis.call('LPOS', index .. ':' .. pages[1], cursor, 'RANK', -1)

local entries, answers = {}, {}
for i = 1, #pages do
  local missing, key = wanted - #entries / 2, index .. ':' .. pages[i]
  if missing == 0 then break end
  local count = older or redis.call('LLEN', key)
  older = nil
  local ids = count > 0 and redis.call('LRANGE', key, math.max(count - missing, 0), count - 1) or {}
  for j = #ids, 1, -1 do
    entries[#entries + 1], entries[#entries + 2] = ids[j], pages[i]
    local task = describe(ids[j])
    if task then answers[#answers + 1] = task end
  end
end
return { entries, answers }
