-- Reads tasks. KEYS: meta. ARGV: ids. Returns one description or false per id. The caller checks the tenant.
local answers = {}
for i, id in ipairs(ARGV) do answers[i] = describe(id) end
return answers
