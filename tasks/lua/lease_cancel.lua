-- Ask that the job be cancelled, unless it has its result.
-- KEYS[1]  the request; KEYS[2]  the result
-- ARGV[1]  how long the request is kept, in seconds
-- Answer   none

if not ready(KEYS[2]) then redis.call('SET', KEYS[1], 1, 'EX', ARGV[1]) end
