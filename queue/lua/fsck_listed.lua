-- Checks that a task stands in its tenant's list and keeps its idempotency key.
local unlisted = {}  -- {tenant, page, id}

local function is_on(pages, tenant, id)
  for _, page in ipairs(pages) do
    if in_list('ix:' .. tenant .. ':' .. page, id) then return true end
  end
end

local function check_listed(id, header)
  local pages = pages_of(header.tenant, header.created)
  if not is_on(pages, header.tenant, id) then
    say('not_listed')
    unlisted[#unlisted + 1] = { header.tenant, pages[1] or string.format('%d', header.created), id }
  end
  if header.idem ~= '' and redis.call('EXISTS', prefix .. 'idem:' .. header.tenant .. ':' .. header.idem) == 0 then
    say('task_without_key')
  end
end
