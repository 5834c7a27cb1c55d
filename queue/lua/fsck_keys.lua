-- Checks keys that are not of one task and, if told so, mends them. KEYS: meta. ARGV: 1 to mend, then names without
-- the prefix. Returns the fault of each, or ''.
local STALE_MS = 60000  -- the ticker forgets a worker after this
local LAPSING = { w = true, r = true, rp = true, rt = true, watched = true, tick = true, hold = true, jh = true }
local mend, mends = ARGV[1] == '1', {}

local function fault(name, ...)
  mends[#mends + 1] = { ... }
  return name
end

local function check_idle(key)
  local stale = {}
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', now - STALE_MS, 'LIMIT', 0, 100)) do
    if redis.call('HEXISTS', prefix .. 'workers', worker) == 0 then stale[#stale + 1] = worker end
  end
  return #stale > 0 and fault('stale_idle', 'ZREM', key, unpack(stale)) or ''
end

local function check_results(key, moment)
  local listed, known = redis.call('EXISTS', key) == 1, redis.call('ZSCORE', prefix .. 'done', moment)
  if listed and not known then return fault('results_without_moment', 'ZADD', prefix .. 'done', moment, moment) end
  if known and not listed then return fault('moment_without_results', 'ZREM', prefix .. 'done', moment) end
  return ''
end

local function check_key(name)
  local key, class, rest = prefix .. name, string.match(name, '^(%l+):?(.*)$')
  if class == 'idem' then return check_idempotency(key, fault) end
  if class == 'u' then return check_holder(key, fault) end
  if class == 'idle' then return check_idle(key) end
  if class == 'done' then return check_results(key, rest) end
  if class == 'ix' then return check_page(key, rest, fault) end
  if LAPSING[class] then
    return redis.call('PTTL', key) == -1 and fault('without_expiry', 'PEXPIRE', key, STALE_MS) or ''
  end
  if class == 'f' then return check_turns(name, fault) end
  if class == 'fl' then return check_away(name, fault) end
  if class == 'exp' then return check_timer(fault) end
  -- A queue, plain or of tasks to run alone.
  if redis.call('EXISTS', key) == 0 then return '' end
  if redis.call('HEXISTS', prefix .. 'kinds', rest) == 1 then
    return class == 'q' and check_owner(rest, fault) or ''
  end
  return fault('kind_not_registered', 'HSETNX', prefix .. 'kinds', rest, now)
end

local answers = {}
for i = 2, #ARGV do answers[#answers + 1] = check_key(ARGV[i]) end
if mend then
  for _, words in ipairs(mends) do redis.call(unpack(words)) end
end
return answers
