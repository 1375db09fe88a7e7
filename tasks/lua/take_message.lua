-- Take the first message of the first queue that has one, or one whose taking was answered to nobody.
-- KEYS     pairs: a queue, and the list to which this consumer takes its messages
-- Answer   {the number of the pair, the message}; none: all queues are empty

for i = 1, #KEYS, 2 do
  local message = redis.call('LINDEX', KEYS[i + 1], -1)
    or redis.call('LMOVE', KEYS[i], KEYS[i + 1], 'RIGHT', 'LEFT')
  if message then return {(i + 1) / 2, message} end
end
