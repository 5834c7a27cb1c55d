-- Adds tasks. KEYS: meta. A task that comes again (same id: its first reply was lost) is answered as created.
-- ARGV: groups of tasks that differ by id and body alone:
--   tenant, kind, run_at ms or 0, delay ms or 0, offset ms, header tail (kind|..|options;exp;unique), idem hash, fingerprint,
--   fairness key, count, then id and body of each. A task with an idempotency key or a unique one is a group of its own.
-- Returns a word a task: 'c' created, 'r<id>' replayed idempotency key, 'x<id>' key used for another request, 'u<id>' the
-- task that holds its unique key, 'd' refused, the kind is being drained.
local answers, seen_keys, per_kind, ids, groups = {}, {}, {}, {}, {}
local cursor = 1
while cursor <= #ARGV do
  local group = { at = cursor + 9, count = tonumber(ARGV[cursor + 9]), key = ARGV[cursor + 8] }
  group.tenant, group.kind, group.tail, group.idem = ARGV[cursor], ARGV[cursor + 1], ARGV[cursor + 5], ARGV[cursor + 6]
  group.fingerprint, group.offset = ARGV[cursor + 7], tonumber(ARGV[cursor + 4])
  group.due = math.max(tonumber(ARGV[cursor + 2]), ARGV[cursor + 3] ~= '0' and now + tonumber(ARGV[cursor + 3]) or 0)
  group.exp, group.unique = string.match(group.tail, ';(%d*);?(%x*)$')
  for i = 1, group.count do ids[#ids + 1] = task_key .. ARGV[group.at + 2 * i - 1] end
  groups[#groups + 1], cursor = group, group.at + 2 * group.count + 1
end
local some_exist = #ids > 0 and redis.call('EXISTS', unpack(ids)) > 0
