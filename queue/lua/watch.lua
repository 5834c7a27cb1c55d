-- Says that somebody waits for changes. KEYS: meta. ARGV: ms for which this holds. Scripts give hints only meanwhile.
redis.call('SET', prefix .. 'watched', 1, 'PX', ARGV[1])
return 1
