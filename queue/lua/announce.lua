-- Counts what was added of a kind. It is announced again every ten seconds: a Redis that lost its data soon knows it, at
-- no cost worth counting.
local function announce(kind, added)
  if count_rate('e:' .. kind, added) then redis.call('HSETNX', prefix .. 'kinds', kind, now) end
end
