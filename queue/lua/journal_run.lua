-- Runs the operation of a journal that was asked for.
function operations.forget()
  local _, task = read_head()
  if redis.call('EXISTS', weights) == 1 or redis.call('HEXISTS', attempts_key, task or '') == 1 then return 0 end
  redis.call('HDEL', heads, journal)
  return 1
end

return operations[ARGV[1]](unpack(ARGV, 3))
