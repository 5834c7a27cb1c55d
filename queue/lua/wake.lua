-- Wakes one idle worker of a kind by an item in its mailbox. The newest registration is the surest to be alive;
-- a live worker renews its own every 3 seconds, so when the newest is older than 10 they are all gone.
local function wake(kind)
  local newest = redis.call('ZPOPMAX', prefix .. 'idle:' .. kind)
  if not newest[1] then return end
  if now - tonumber(newest[2]) > 10000 then
    redis.call('UNLINK', prefix .. 'idle:' .. kind)
    return
  end
  local mailbox = prefix .. 'w:' .. newest[1]
  redis.call('RPUSH', mailbox, 'w')
  redis.call('PEXPIRE', mailbox, 60000)
end
