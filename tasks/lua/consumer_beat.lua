-- Say that a consumer is alive, by the clock of Redis: those of the workers' machines may differ.
-- KEYS[1]  the consumers, a sorted set: until when each counts as alive
-- KEYS[2]  the queues that this one takes from, a set; KEYS[3]  the delivery tags that it holds, a set
-- ARGV[1]  the consumer; ARGV[2]  how many seconds it may be silent; ARGV[3]  how many the keys are kept
-- ARGV[4…] its queues
-- Answer   the consumers that have been silent for too long

local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
for i = 4, #ARGV do redis.call('SADD', KEYS[2], ARGV[i]) end
for i = 1, #KEYS do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. now)
