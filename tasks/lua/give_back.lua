-- Put all that a consumer has taken and not recorded back to the head of its queue.
-- KEYS[1]  the list to which it took messages; KEYS[2]  the queue
-- Answer   how many messages these were

local count = 0
while redis.call('LMOVE', KEYS[1], KEYS[2], 'RIGHT', 'RIGHT') do count = count + 1 end
return count
