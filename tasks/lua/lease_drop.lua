-- Take the lease from a process that has died; its attempts count as never begun, for Celery counts them.
-- KEYS[5]  is not needed
-- ARGV[1]  how the name of every holder begins that was in that process
-- Answer   none

local function is_its(holder) return string.sub(holder, 1, string.len(ARGV[1])) == ARGV[1] end
for _, holder in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  if is_its(holder) then uncount(holder) end
end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and is_its(holder) then redis.call('DEL', KEYS[1]) end
