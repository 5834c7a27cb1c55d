-- Why a task does not run, as data. KEYS: meta. ARGV: id, tenant. Returns false if this tenant has no such task, else a
-- state letter and what belongs to it, in pairs of a word and a number or a text:
--   ended                nothing
--   d scheduled          due, ms · deadline, ms, if no attempt may begin after it
--   r running            worker, its name · renewed, ms · until, ms · cancel, 1 if it was asked for
--   q queued, w waiting  every reason there is: kind_paused, tenant_paused, key_paused · kind_limit and key_limit, the limit ·
--                        kind_rate and key_rate, when there is allowance again, ms · workers, how many run the kind ·
--                        behind, tasks ahead · alone, 1 if it waits for a worker that runs nothing else · deadline
local id, words = ARGV[1], {}
local task = describe(id)

local function say(word, number)
  words[#words + 1] = word
  words[#words + 1] = number
end

local function say_room(scope, name, rule)
  local room = room_of(name, '', rule)
  if room.paused then say(scope .. '_paused', 1) end
  if rule.most and redis.call('ZCARD', prefix .. 'c:' .. name) >= rule.most then say(scope .. '_limit', rule.most) end
  if room.interval and room.rated < 1 then
    say(scope .. '_rate', math.ceil((room.whole + room.interval - room.period) / 1000))
  end
end

local function say_rules(header)
  local lane = header.tenant .. ':' .. header.key
  local fields = { 'kind/' .. header.kind, 'tenant/' .. header.tenant, 'key/' .. lane, 'keys/' .. header.tenant }
  local found = redis.call('HMGET', prefix .. 'rules', unpack(fields))
  for i = 1, 4 do found[i] = parse_rule(found[i]) end
  local kind, tenant, key, default = unpack(found)
  say_room('kind', header.kind, kind)
  if tenant.state == 'p' then say('tenant_paused', 1) end
  local rate = key.count and key or default
  say_room('key', lane, {
    state = key.state, most = key.most or default.most, count = rate.count, period = rate.period,
  })
end

local function count_workers(kind)
  local count, registry = 0, redis.call('HVALS', prefix .. 'workers')
  for _, text in ipairs(registry) do
    local live = now - tonumber(string.match(text, '^(%d+)') or 0) <= 60000
    if live and string.find(text, '"' .. kind .. '"', 1, true) and not string.find(text, '"draining":true', 1, true) then
      count = count + 1
    end
  end
  return count
end
