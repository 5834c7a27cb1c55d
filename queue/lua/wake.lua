-- Wakes one idle worker of a kind by an item in its mailbox: the one that holds least, where the kind is to be spread, and of
-- these the newest registration, which is the surest to be alive. A live worker renews its own every 3 seconds; one that is
-- older than 10 is of a dead worker.
local MOST_HELD, TURN = 1023, 2199023255552  -- 2^41 ms: no clock shows more before 2039

local function idle_score(held)
  return string.format('%d', (MOST_HELD - math.min(MOST_HELD, held)) * TURN + now)
end

local function wake(kind)
  while true do
    local first = redis.call('ZPOPMAX', prefix .. 'idle:' .. kind)
    if not first[1] then return end
    if now - tonumber(first[2]) % TURN <= 10000 then
      local mailbox = prefix .. 'w:' .. first[1]
      redis.call('RPUSH', mailbox, 'w')
      redis.call('PEXPIRE', mailbox, 60000)
      return
    end
  end
end
