-- Hold the lease once more, to store a result: the job's cell is gone. One that nobody holds may be taken.
-- ARGV[1]  the holder
-- ARGV[2]  how long the lease lasts from now on, in milliseconds
-- Answer   {'done', 0}, {'held', 0} or {'granted', 0}

if ready(KEYS[5]) then return {'done', 0} end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return {'held', 0} end
if not holder then redis.call('HSET', KEYS[1], 'holder', ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'granted', 0}
