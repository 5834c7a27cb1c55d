-- Takes a task that does not run out of wherever it waits.
local function withdraw(id, header)
  local kind, lane = header.kind, ':' .. header.tenant .. ':' .. header.key
  for _, key in ipairs({ 'q:' .. kind, 'f:' .. kind .. lane, 'f:' .. kind .. '!' .. lane, 'solo:' .. kind, 'tm' }) do
    drop(key, id)
  end
end
