-- Give the messages of tenants new tickets if somebody else has emptied the queue's list.
-- KEYS     queues' lists
-- Answer   none

for _, queue in ipairs(KEYS) do
  if redis.call('EXISTS', queue) == 0 then
    local tickets = 0
    for _, tenant in ipairs(redis.call('ZRANGE', turns_of(queue), 0, -1)) do
      tickets = tickets + redis.call('LLEN', list_of(queue, tenant))
    end
    for _ = 1, tickets do redis.call('RPUSH', queue, TICKET) end
    if tickets > 0 then redis.call('HSET', hash_of(queue), 'tickets', tickets) end
  end
end
