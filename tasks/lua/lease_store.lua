-- Store the result and give the lease back, unless the job has its result or somebody else holds the lease.
-- ARGV[1]  the holder
-- ARGV[2]  the result, as Celery stores it; ARGV[3]  for how many seconds it is kept, 0: without end
-- Answer   {'done', 0}, {'held', 0} or {'granted', 0}

if ready(KEYS[5]) then return {'done', 0} end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return {'held', 0} end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[5], ARGV[2], 'EX', ARGV[3])
else
  redis.call('SET', KEYS[5], ARGV[2])
end
redis.call('PUBLISH', KEYS[5], ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return {'granted', 0}
