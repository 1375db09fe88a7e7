-- Keep the lease. One that has run out is not taken again: somebody else may have run the job since.
-- ARGV[1]  the holder
-- ARGV[2]  how long the lease lasts from now on, in milliseconds
-- ARGV[3]  the cell that runs the job; empty: there is none yet
-- Answer   {'lost', 0}, {'cancelled', 0} or {'granted', 0}

if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'lost', 0} end
-- A Redis whose memory is full still does this, for it takes none. It may refuse HSET, which can wait.
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('HGET', KEYS[1], 'cell') ~= ARGV[3] then redis.pcall('HSET', KEYS[1], 'cell', ARGV[3]) end
return {redis.call('EXISTS', KEYS[3]) == 1 and 'cancelled' or 'granted', 0}
