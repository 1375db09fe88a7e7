-- Replace a message that was taken by an entry in the list of dead messages.
-- KEYS[1]  the list to which it was taken; KEYS[2]  the list of dead messages
-- ARGV[1]  the entry; ARGV[2]  how many entries are kept; ARGV[3]  for how many seconds
-- Answer   1; 0: the message is gone

if not redis.call('RPOP', KEYS[1]) then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('LTRIM', KEYS[2], 0, ARGV[2] - 1)
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
