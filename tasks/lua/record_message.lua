-- Record the message on a list as not acknowledged.
-- KEYS[4]  the list to which it was taken
-- ARGV[1]  its delivery tag
-- ARGV[2]  the time, in seconds
-- ARGV[3]  the queue that it came from
-- ARGV[4]  the message to write in its place; empty: it stays as it is
-- Answer   1; 0: others have given it back, because this consumer was silent

local message = redis.call('RPOP', KEYS[4])
if not message then return 0 end
if ARGV[4] ~= '' then message = ARGV[4] end
record(ARGV[1], ARGV[2], message, ARGV[3])
return 1
