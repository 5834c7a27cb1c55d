-- Chooses the tasks to claim: a merge of the kinds' queues by aged score, within the free units of each class.
-- A kind may exceed its class by its `extra` units (claim-ahead, for kinds with very short runs).
local BATCH = 16
local picked, rows, origins = {}, {}, {}    -- ids; the row of `kinds` of each, and the visit if it was in a ring
local used = {}
for class = 1, #free do used[class] = 0 end

local function has_units(row)
  return used[row.class] + row.cost <= free[row.class] + row.extra
end

local function has_room(row)
  return row.most > 0 and has_units(row) and not (row.room and row.room.free < 1)
end

-- Reads the queue in windows; `row.next` is the position of its head in the current one.
local function plain_score(row)
  if row.window and row.next > #row.window then
    if #row.window < 2 * row.batch then return nil end
    row.window = nil
  end
  if not row.window then
    -- One more than can be claimed, to see whether any is left for others.
    row.batch = #kinds == 1 and math.min(wanted, 128) + 1 or BATCH
    row.taken = row.taken or 0
    local last = row.taken + row.batch - 1
    row.window = redis.call('ZRANGE', prefix .. 'q:' .. row.kind, row.taken, last, 'WITHSCORES')
    row.next = 1
  end
  return tonumber(row.window[row.next + 1])
end

local function head_score(row)
  if not row.fair then return plain_score(row) end
  local visit = row.visit
  if not visit or visit.entry.gone or visit.quota < 1 or visit.entry.room.free < 1 then
    visit = next_visit(row)
    row.visit = visit
  end
  return visit and tonumber(visit.window[visit.next + 1])
end

-- The kind whose head comes first, and the score of the next one: until then it stays the first.
local function most_urgent()
  local best, best_score, limit = nil, math.huge, math.huge
  for _, row in ipairs(kinds) do
    local score = has_room(row) and head_score(row)
    if score and score < best_score then
      best, best_score, limit = row, score, best_score
    elseif score and score < limit then
      limit = score
    end
  end
  return best, limit
end
