-- Checks that a task stands in its tenant's list and keeps its idempotency key.
local unlisted = {}  -- {tenant, page, id}

local function check_listed(id, header)
  local page = page_of(header.tenant, header.created)
  if not page or not in_list('ix:' .. header.tenant .. ':' .. page, id) then
    say('not_listed')
    unlisted[#unlisted + 1] = { header.tenant, page or string.format('%d', header.created), id }
  end
  if header.idem ~= '' and redis.call('EXISTS', prefix .. 'idem:' .. header.tenant .. ':' .. header.idem) == 0 then
    say('task_without_key')
  end
end
