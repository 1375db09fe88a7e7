-- Move a message that was recorded back to the list to which its consumer takes messages.
-- KEYS[4]  the list
-- ARGV[1]  its delivery tag; ARGV[2]  the message
-- Answer   1; 0: others have given it back, because this consumer was silent

if forget(ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[4], ARGV[2])
return 1
