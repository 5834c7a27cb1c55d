-- The plan of a script: everything is read and decided first, then `carry_out` writes it all, variadically.
-- Nothing here can fail after the first write.
local puts, drops, heads = {}, {}, {}       -- key -> {score, member, ...}, {member, ...}, count taken off the front
local written, erased = {}, {}              -- hash of records -> id, record, ...; hash -> ids whose records go
local texts, gone = {}, {}                  -- key, value, ...; keys to unlink, after all else is written
local held_on, let_go = {}, {}              -- id, attempt, ...; ids whose attempts go, after those are written
local hints, watched = {}, nil              -- id, letter, ..., while somebody watches
local claimable, parked = {}, 0             -- kinds that gained claimable tasks, ids without a record
local touched = {}                          -- id -> 'ended' or 'renewed', what this script has already decided
local lapses = {}                           -- {key, ms until it lapses}
local kept, trims = {}, {}                  -- when results may go -> ids; {key, count taken off the front}
local renames, forgets = {}, {}             -- key -> new name, if it still exists; key -> score up to which entries go
local raises = {}                           -- key -> score of its entry without a name, unless it is higher

local AWAY = 2 ^ 50                         -- added to the pass of whoever has tasks and may not run now

local function list_in(lists, key)
  local list = lists[key]
  if not list then list = {} lists[key] = list end
  return list
end

local function put(key, score, member)
  local list = list_in(puts, key)
  local count = #list
  list[count + 1], list[count + 2] = score, member
end

local function drop(key, member)
  local list = list_in(drops, key)
  list[#list + 1] = member
end

-- Somebody who waits for a task has set `watched` before reading it; without them a hint would be read by nobody.
local function hint(id, letter)
  if watched == nil then watched = redis.call('EXISTS', prefix .. 'watched') == 1 end
  if not watched then return end
  local count = #hints
  hints[count + 1], hints[count + 2] = id, letter
end

-- When a result kept for `ttl` may go: the end of a whole second, or of a minute for more than ten minutes. Results that
-- go at the same moment are one list: an entry costs a fifth of one in a sorted set of its own.
local function kept_until(ttl)
  local width = ttl < 600000 and 1000 or 60000
  return string.format('%d', math.ceil((now + ttl) / width) * width)
end

local function set(key, value)
  local count = #texts
  texts[count + 1], texts[count + 2] = key, value
end

-- An id without a record is kept aside for fsck, never dropped: dropping it would hide the fault that caused it.
local function park(id)
  parked = parked + 1
  put('park', now, id)
end
