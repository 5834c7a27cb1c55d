-- Reads a journal. KEYS: meta. ARGV: what, journal as `<tenant>:<name>`, page. Returns of `head` its line in `jn` or false,
-- of `pages` their names and weights, of `page` its records.
local what, journal = ARGV[1], ARGV[2]
if what == 'head' then return redis.call('HGET', prefix .. 'jn', journal) end
if what == 'pages' then return redis.call('HGETALL', prefix .. 'jp:' .. journal) end
return redis.call('GET', prefix .. 'j:' .. journal .. ':' .. ARGV[3]) or ''
