-- Reads streams: one by its id, or a page.
-- KEYS: 1 the tenant's streams. ARGV: 1 what names of records begin with, then an id;
-- or newest or oldest, where the page begins ('' at the end of that name, '(id' behind that one), and how many.
-- Returns: id, revision, record and report ('' without one) of each.
local ids = {ARGV[2]}
if ARGV[2] == 'newest' then
  local from = ARGV[3] == '' and '+' or ARGV[3]
  ids = redis.call('ZRANGE', KEYS[1], from, '-', 'BYLEX', 'REV', 'LIMIT', 0, ARGV[4])
elseif ARGV[2] == 'oldest' then
  local from = ARGV[3] == '' and '-' or ARGV[3]
  ids = redis.call('ZRANGE', KEYS[1], from, '+', 'BYLEX', 'LIMIT', 0, ARGV[4])
end
local found = {}
for _, id in ipairs(ids) do
  local key = ARGV[1] .. id
  local record = redis.call('HMGET', key, 'revision', 'record')
  if record[2] then
    local report = redis.call('HGET', key .. ':report', 'report')
    found[#found + 1] = {id, tonumber(record[1]), record[2], report or ''}
  end
end
return found
