-- Reads a journal. KEYS: meta. ARGV: what, journal as `<tenant>:<name>`, page. Returns of `head` its line in `jn` or false,
-- of `pages` their names and weights, of `page` its records, of `held` the first page that is held or false, and of `sum`, where the
-- journal's name is empty, the weight of all journals of that tenant.
local what, journal = ARGV[1], ARGV[2]
if what == 'head' then return redis.call('HGET', prefix .. 'jn', journal) end
if what == 'pages' then return redis.call('HGETALL', prefix .. 'jp:' .. journal) end
if what == 'held' then
  local first = false
  for _, held in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'jh:' .. journal, '(' .. now, '+inf')) do
    local page = tonumber(string.match(held, '^%d+'))
    if not first or page < first then first = page end
  end
  return first
end
if what == 'sum' then
  local sum = 0
  for _, name in ipairs(redis.call('HKEYS', prefix .. 'jn')) do
    if string.sub(name, 1, #journal) == journal then
      for _, weight in ipairs(redis.call('HVALS', prefix .. 'jp:' .. name)) do sum = sum + weight end
    end
  end
  return string.format('%d', sum)
end
return redis.call('GET', prefix .. 'j:' .. journal .. ':' .. ARGV[3]) or ''
