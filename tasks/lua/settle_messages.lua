-- Acknowledge messages.
-- ARGV     their delivery tags
-- Answer   none

for _, tag in ipairs(ARGV) do forget(tag) end
