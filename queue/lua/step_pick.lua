-- Chooses the tasks to claim: a merge of the kinds' queues by aged score, within the free units of each class.
-- A kind may exceed its class by its `extra` units (claim-ahead, for kinds with very short runs).
local BATCH = 16
local picked = {}  -- {id, row of `kinds`}
local used = {}
for class = 1, #free do used[class] = 0 end

local function has_room(row)
  local class = tonumber(row[2])
  return used[class] + tonumber(row[3]) <= free[class] + tonumber(row[5])
end

-- Reads the queue in windows; `row.next` is the position of its head in the current one.
local function head_score(row)
  if row.window and row.next > #row.window then
    if #row.window < 2 * row.batch then return nil end
    row.window = nil
  end
  if not row.window then
    -- One more than can be claimed, to see whether any is left for others.
    row.batch = #kinds == 1 and math.min(#tokens, 128) + 1 or BATCH
    row.taken = row.taken or 0
    local last = row.taken + row.batch - 1
    row.window = redis.call('ZRANGE', prefix .. 'q:' .. row[1], row.taken, last, 'WITHSCORES')
    row.next = 1
  end
  return tonumber(row.window[row.next + 1])
end

local function most_urgent()
  local best, best_score
  for _, row in ipairs(kinds) do
    local score = has_room(row) and head_score(row)
    if score and (not best or score < best_score) then best, best_score = row, score end
  end
  return best
end

local function pick_shared()
  while #picked < #tokens do
    local row = most_urgent()
    if not row then return end
    picked[#picked + 1] = { row.window[row.next], row }
    used[tonumber(row[2])] = used[tonumber(row[2])] + tonumber(row[3])
    row.next = row.next + 2
    row.taken = row.taken + 1
    heads['q:' .. row[1]] = row.taken
  end
end
