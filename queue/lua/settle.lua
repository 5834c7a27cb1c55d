-- What can become of a task that stops running: claimable again, scheduled, or ended by the script itself.

-- Ends the claim; what the task has used up stays, if there is anything to say.
local function unclaim(id, used, losses)
  if used <= 0 and losses <= 0 then end_attempt(id) else keep_attempt(id, '||' .. used .. '|' .. losses) end
end

-- Claimable now, at the score it always had, so priority survives retries and recovery. From its second loss on a
-- task waits apart, to be claimed by a worker that runs nothing else: a poison pill takes no neighbour with it.
local function requeue(id, header, losses)
  local alone = losses >= 2 and not header.live
  local queue = alone and 'solo:' .. header.kind
  put(queue or queue_of(header.kind, header.tenant, header.key, header.realtime), header.score, id)
  hint(id, 'q')
  claimable[header.kind] = true
end

local function schedule(id, due)
  put('tm', due, id)
  hint(id, 'd')
end

-- Ends a task without its worker. A terminal record is
--   F|finished|state|reason|attempt|losses|started|worker|token|length\n<outcome><the live record>
-- with finished in Unix ms, started in ms after it was created, and nothing for one attempt, no losses, never started.
local function bury(id, state, reason, outcome, held)
  local live = read_record(id)
  local header = parse_header(live)
  local started = held.started and held.started - header.created or ''
  local used, losses = held.used ~= 1 and held.used or '', held.losses ~= 0 and held.losses or ''
  local line = { 'F', now, state, reason, used, losses, started, held.worker or '', '', #outcome }
  write(id, table.concat(line, '|') .. '\n' .. outcome .. live)
  count(header.tenant, -1, -#live)
  end_attempt(id)
  if state == 'f' then
    put('dl', now + 2592000000, id)
  else
    local ids = list_in(kept, kept_until(header.ttl))
    ids[#ids + 1] = id
  end
  hint(id, state)
end

local CANCELED = '{"code":"canceled","class":"non_retryable","message":"canceled on request",'
  .. '"retryable":false,"attempt":%d}'
local WORKER_LOST = '{"code":"worker_lost","class":"non_retryable",'
  .. '"message":"the workers that ran it died %d times in a row","retryable":false,"attempt":%d}'

local function bury_canceled(id, held)
  bury(id, 'c', 'cancel_requested', string.format(CANCELED, held.used), held)
end
