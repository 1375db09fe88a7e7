-- Take a consumer off the register, unless it still holds something: then the others give that back.
-- KEYS[1]  the consumers; KEYS[2]  its queues; KEYS[3]  the delivery tags that it holds
-- KEYS[4…] the lists to which it takes messages
-- ARGV[1]  the consumer
-- Answer   1; 0: it still holds something

if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
for i = 4, #KEYS do if redis.call('EXISTS', KEYS[i]) == 1 then return 0 end end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
