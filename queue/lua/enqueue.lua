-- Adds tasks. KEYS: meta. A task that comes again (same id: its first reply was lost) is answered as created.
-- ARGV: `w` if what does not fit as a whole is refused as a whole, tenant by tenant, or ''; then groups of tasks that
-- differ by id and body alone (or the short form of one task, `enqueue_one.lua`):
--   tenant, kind, run_at ms or 0, delay ms or 0, offset ms, header tail (kind|..|options;exp;unique), idem hash, fingerprint,
--   fairness key, span of the ids, count, then id and body of each. A task with an idempotency or a unique key is a group of its own.
-- Returns a word a task: 'c' created, 'r<id>' replayed idempotency key, 'x<id>' key used for another request, 'u<id>' the
-- task that holds its unique key, 'd' refused, the kind is being drained, 'l' refused, the tenant has as much as it may.
local answers, per_kind, ids, groups = {}, {}, {}, {}
local seen_keys = {}                        -- idempotency and unique keys that this script takes, and their values
local wants, whole, cursor = {}, ARGV[1] == 'w', 2  -- tenant -> {tasks, bytes} that come
while cursor <= #ARGV do
  local group = { at = cursor + 10, count = tonumber(ARGV[cursor + 10]), key = ARGV[cursor + 8], first = #ids }
  group.tenant, group.kind, group.idem, group.fingerprint = ARGV[cursor], ARGV[cursor + 1], ARGV[cursor + 6], ARGV[cursor + 7]
  group.offset, group.exp, group.unique = tonumber(ARGV[cursor + 4]), string.match(ARGV[cursor + 5], ';(%d*);?(%x*)$')
  group.due = math.max(tonumber(ARGV[cursor + 2]), ARGV[cursor + 3] ~= '0' and now + tonumber(ARGV[cursor + 3]) or 0)
  group.wait = math.max(group.due - now, 0)
  group.head = 'Q|' .. now .. '|' .. (group.wait > 0 and string.format('%d', group.wait) or '') .. '|' .. ARGV[cursor + 5] .. '\n'
  local want = list_in(wants, group.tenant)
  local tasks, bytes = (want[1] or 0) + group.count, (want[2] or 0) + group.count * #group.head
  for i = 1, group.count do
    ids[#ids + 1] = ARGV[group.at + 2 * i - 1]
    bytes = bytes + #ARGV[group.at + 2 * i]
  end
  want[1], want[2] = tasks, bytes
  groups[#groups + 1], cursor = group, group.at + 2 * group.count + 1
end
-- What is there already was added by this request before.
local found = read_records(ids)
read_tallies(wants)
