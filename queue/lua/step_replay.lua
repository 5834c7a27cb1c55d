-- A repeated step gets the answer of the first: its reply was lost after it was applied.
-- `rp:<worker>` holds incarnation|seq|acks|renewals|flags|ids of the last one. A task claimed by it is handed out
-- again only while its lease token still stands.
local replay_key = prefix .. 'rp:' .. worker
local before = redis.call('GET', replay_key)
if before then
  local inc, last, acks, renewed, flags, ids = string.match(before, '^([^|]*)|(%d+)|(%a*)|(%a*)|(%d+)|(.*)$')
  if inc == incarnation and tonumber(last) >= seq then
    local claims = {}
    local position = 0
    for id in string.gmatch(tonumber(last) == seq and ids or '', '%S+') do
      position = position + 1
      local held = redis.call('HMGET', prefix .. 'a:' .. id, 'k', 'n', 'l')
      if held[1] == tokens[position][1] then
        claims[#claims + 1] = position
        claims[#claims + 1] = id
        claims[#claims + 1] = tonumber(held[2])
        claims[#claims + 1] = tonumber(held[3] or 0)
        claims[#claims + 1] = redis.call('GET', prefix .. 't:' .. id)
      end
    end
    return { now, acks, renewed, tonumber(flags), claims }
  end
end
