-- Checks what is counted of tenants against what a search through all records found. KEYS: meta. ARGV: 1 to mend, the
-- script's time when the search began, ms, then tenant, tasks and bytes of each. Returns now, and a fault or '' for each.
-- Of tenants whose tasks came or ended since then the search cannot tell: it may have passed before or behind them.
local words = {}
for i = 3, #ARGV, 3 do
  local key = prefix .. 'n:' .. ARGV[i]
  local counted, last = string.match(redis.call('GET', key) or '0|0|0', '^(%d+|%d+)|(%d+)$')
  local found = ARGV[i + 1] .. '|' .. ARGV[i + 2]
  local wrong = counted ~= found and tonumber(last or 0) < tonumber(ARGV[2])
  words[#words + 1] = wrong and 'miscounted' or ''
  if wrong and ARGV[1] == '1' then
    if ARGV[i + 1] == '0' then redis.call('UNLINK', key) else redis.call('SET', key, found .. '|' .. now) end
  end
end
return { now, words }
