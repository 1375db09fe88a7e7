-- Functions of the scripts for messages that were taken and are not acknowledged yet. They have these keys:
-- KEYS[1]  when each message was taken, a sorted set of delivery tags
-- KEYS[2]  the messages, a hash by delivery tag
-- KEYS[3]  the delivery tags that this consumer holds, a set

-- Record a message with the entry that kombu writes. It goes back to `queue`, whatever it says itself.
local function record(tag, time, message, queue)
  redis.call('ZADD', KEYS[1], time, tag)
  redis.call('HSET', KEYS[2], tag, '[' .. message .. ', "", ' .. cjson.encode(queue) .. ']')
  redis.call('SADD', KEYS[3], tag)
end

local function forget(tag)
  redis.call('ZREM', KEYS[1], tag)
  redis.call('SREM', KEYS[3], tag)
  return redis.call('HDEL', KEYS[2], tag)
end

