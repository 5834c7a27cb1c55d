-- Cancels a task. KEYS: meta. ARGV: id, tenant.
-- Returns 'n' not found, 'c' canceled (now or before), 'r' requested of the worker that runs it, or the letter of
-- the state in which it had ended.
local id, tenant = ARGV[1], ARGV[2]
local record = read_record(id)
if not record then return 'n' end
local ended, _, state = parse_ended(record)
if ended then return ended.tenant == tenant and state or 'n' end
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
