-- Cancels a task. KEYS: meta. ARGV: id, tenant.
-- Returns 'n' not found, 'c' canceled (now or before), 'r' requested of the worker that runs it, or the letter of
-- the state in which it had ended.
local id, tenant = ARGV[1], ARGV[2]
local record = redis.call('GETRANGE', task_key .. id, 0, HEADER_BYTES - 1)
if record == '' then return 'n' end
if string.sub(record, 1, 1) == 'F' then
  local state, length = string.match(record, '^F|%d+|(%a)|.-|(%d+)\n')
  local start = string.find(record, '\n', 1, true) + tonumber(length)
  local header = parse_header(redis.call('GETRANGE', task_key .. id, start, start + HEADER_BYTES - 1))
  return header.tenant == tenant and state or 'n'
end
local header = parse_header(record)
if not header or header.tenant ~= tenant then return 'n' end
local attempt = read_attempt(id)
local held = parse_attempt(attempt)
if held.token ~= '' then
  keep_attempt(id, (string.gsub(attempt, BEFORE_CANCEL, '%11')))
  hint(id, 'p')
  carry_out()
  redis.call('RPUSH', prefix .. 'w:' .. held.worker, 'c' .. id)
  redis.call('PEXPIRE', prefix .. 'w:' .. held.worker, 60000)
  return 'r'
end
withdraw(id, header)
bury_canceled(id, held)
carry_out()
return 'c'
