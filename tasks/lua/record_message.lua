-- Move a message that was taken to what is not acknowledged, with the entry that kombu writes.
-- KEYS[1]  the list to which it was taken
-- KEYS[2]  when each message was taken, a sorted set of delivery tags
-- KEYS[3]  what is not acknowledged, a hash by delivery tag
-- KEYS[4]  the delivery tags that this consumer holds, a set
-- ARGV[1]  its delivery tag
-- ARGV[2]  the time, in seconds
-- ARGV[3]  the queue that it came from, as JSON: it goes back there, whatever it says itself
-- ARGV[4]  the message to write in its place; empty: it stays as it is
-- Answer   1; 0: others have given it back, because this consumer was silent

local message = redis.call('RPOP', KEYS[1])
if not message then return 0 end
if ARGV[4] ~= '' then message = ARGV[4] end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], '[' .. message .. ', "", ' .. ARGV[3] .. ']')
redis.call('SADD', KEYS[4], ARGV[1])
return 1
