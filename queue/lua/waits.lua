-- Whether a kind has tasks that may be claimed.
local function waits(kind)
  local rule = ruled and redis.call('HGET', prefix .. 'rules', 'kind/' .. kind)
  if rule and room_of(kind, 'kind/' .. kind, parse_rule(rule)).free < 1 then return false end
  if redis.call('EXISTS', prefix .. 'q:' .. kind, prefix .. 'solo:' .. kind) > 0 then return true end
  local most = '(' .. string.format('%d', AWAY)
  return redis.call('ZCOUNT', prefix .. 'fl:' .. kind, '-inf', most) > 0
    or redis.call('ZCOUNT', prefix .. 'fl:' .. kind .. '!', '-inf', most) > 0
end

-- Tells the ticker about a timer that is due before the one it sleeps for. To be called before `carry_out`.
local function earlier_timer()
  local timers = puts.tm
  if not timers then return false end
  local first = math.huge
  for i = 1, #timers, 2 do first = math.min(first, timers[i]) end
  local head = redis.call('ZRANGE', prefix .. 'tm', 0, 0, 'WITHSCORES')
  return not head[2] or first < tonumber(head[2])
end

local function wake_ticker()
  local ticker = redis.call('GET', prefix .. 'tick')
  if ticker then
    redis.call('RPUSH', prefix .. 'w:' .. ticker, 't')
    redis.call('PEXPIRE', prefix .. 'w:' .. ticker, 60000)
  end
end
