-- Reads a task's output. KEYS: meta. ARGV: id, tenant, position to begin after or '' for the newest chunk alone, limit.
-- Returns the stream's entries, or false if this tenant has no such task.
local id = ARGV[1]
local record = read_record(id) or ''
local header = parse_header(record) or parse_ended(record)
if not header or header.tenant ~= ARGV[2] then return false end
local key = prefix .. 'o:' .. id
if ARGV[3] == '' then return redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1) end
return redis.call('XRANGE', key, '(' .. ARGV[3] .. '-18446744073709551615', '+', 'COUNT', ARGV[4])
