-- Cancels a task. KEYS: meta. ARGV: id, tenant.
-- Returns 'n' not found, 'c' canceled (now or before), 'r' requested of the worker that runs it, or the letter of
-- the state in which it had ended.
local id, tenant = ARGV[1], ARGV[2]
local record = redis.call('GETRANGE', prefix .. 't:' .. id, 0, 255)
if record == '' then return 'n' end
if string.sub(record, 1, 1) == 'F' then
  local state, length = string.match(record, '^F|%d+|(%a)|.-|(%d+)\n')
  local start = string.find(record, '\n', 1, true) + tonumber(length)
  local header = parse_header(redis.call('GETRANGE', prefix .. 't:' .. id, start, start + 255))
  return header.tenant == tenant and state or 'n'
end
local header = parse_header(record)
if not header or header.tenant ~= tenant then return 'n' end
local held = redis.call('HMGET', prefix .. 'a:' .. id, 'n', 'l', 'w', 'k')
if held[4] then
  redis.call('HSET', prefix .. 'a:' .. id, 'x', 1)
  redis.call('RPUSH', prefix .. 'w:' .. held[3], 'c' .. id)
  redis.call('PEXPIRE', prefix .. 'w:' .. held[3], 60000)
  redis.call('XADD', prefix .. 'ev', 'MAXLEN', '~', 1000, '*', 'd', id .. ':p')
  return 'r'
end
for _, key in ipairs({ 'q:' .. header.kind, 'solo:' .. header.kind, 'tm' }) do drop(key, id) end
bury_canceled(id, tonumber(held[1] or 0), tonumber(held[2] or 0))
carry_out()
return 'c'
