-- Changes a rule and lets run what it kept. KEYS: meta. ARGV: subject, then 'state', state, or 'limits', most, count,
-- period ms; '' for none. Returns 1.
local subject, rules = ARGV[1], prefix .. 'rules'
local known = redis.call('HGET', rules, subject)
local rule = parse_rule(known)
local state, most, count, period = rule.state, rule.most or '', rule.count or '', rule.period or ''
if ARGV[2] == 'state' then
  state = ARGV[3]
else
  most, count, period = ARGV[3], ARGV[4], ARGV[5]
end
local text = table.concat({ state, most, count, period }, '|')
local left = redis.call('HLEN', rules) - (known and 1 or 0) + (text == '|||' and 0 or 1)

-- Under rules every kind has rings: what stands there can be looked at key by key.
if not ruled and left > 0 then
  local plain = redis.call('HGETALL', prefix .. 'own')
  for i = 1, #plain, 2 do
    owners[plain[i]] = plain[i + 1]
    if redis.call('EXISTS', prefix .. 'q:' .. plain[i]) == 1 then
      split_kind(plain[i])
      claimable[plain[i]] = true
    else
      owned[plain[i]] = false
    end
  end
end
let_run(subject)
seat_all()
local poke = earlier_timer()
carry_out()
if text == '|||' then redis.call('HDEL', rules, subject) else redis.call('HSET', rules, subject, text) end
ruled = left > 0
if ruled then redis.call('HSET', KEYS[1], 'ruled', 1) else redis.call('HDEL', KEYS[1], 'ruled') end
for kind in pairs(claimable) do
  if waits(kind) then wake(kind) end
end
if poke then wake_ticker() end
return 1
