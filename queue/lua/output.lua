-- Reads a task's output. KEYS: meta. ARGV: id, tenant, position to begin after or '' for the newest chunk alone, limit.
-- Returns the stream's entries, or false if this tenant has no such task.
local id = ARGV[1]
local line = redis.call('GETRANGE', task_key .. id, 0, HEADER_BYTES - 1)
if string.sub(line, 1, 1) == 'F' then
  local start = string.find(line, '\n', 1, true) + tonumber(string.match(line, '|(%d+)\n'))
  line = redis.call('GETRANGE', task_key .. id, start, start + HEADER_BYTES - 1)
end
local header = parse_header(line)
if not header or header.tenant ~= ARGV[2] then return false end
local key = prefix .. 'o:' .. id
if ARGV[3] == '' then return redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1) end
return redis.call('XRANGE', key, '(' .. ARGV[3] .. '-18446744073709551615', '+', 'COUNT', ARGV[4])
