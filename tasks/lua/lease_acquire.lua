-- Take the lease and count an attempt, unless the job has its result or somebody else holds it.
-- ARGV[1]  the holder
-- ARGV[2]  how long the lease lasts, in milliseconds
-- ARGV[3]  the holder's name before it lost the lease; empty: there is none
-- ARGV[4]  how long the count is kept, in seconds
-- Answer   {'done', 0}, {'held', 0}, {'cancelled', 0} with the lease, or {'granted', the number of attempts}

if ARGV[3] ~= '' then uncount(ARGV[3]) end
-- A job that has its result is never run again.
if ready(KEYS[5]) then return {'done', 0} end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return {'held', 0} end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'cell', '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
-- Whoever would run the job reports that it was cancelled.
if redis.call('EXISTS', KEYS[3]) == 1 then return {'cancelled', 0} end
if redis.call('SADD', KEYS[4], ARGV[1]) == 1 then redis.call('INCR', KEYS[2]) end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[4], ARGV[4])
return {'granted', tonumber(redis.call('GET', KEYS[2]))}
