-- Put a message into a queue, if there is room for it.
-- KEYS     the queue's lists, one for each priority
-- ARGV[1]  the message; ARGV[2]  the number of its list
-- ARGV[3]  how many messages may wait, and ARGV[4]  how many of one tenant; 0: any number
-- Answer   {1}; or {0, 'queue' or 'tenant', how many wait}: there is no room

local waiting, of_tenant = 0, 0
for _, queue in ipairs(KEYS) do waiting = waiting + redis.call('LLEN', queue) end
if tonumber(ARGV[3]) > 0 and waiting >= tonumber(ARGV[3]) then return {0, 'queue', waiting} end
if tonumber(ARGV[4]) > 0 then
  local tenant = tenant_of(ARGV[1])
  for _, queue in ipairs(KEYS) do
    sort(queue)
    of_tenant = of_tenant + redis.call('LLEN', list_of(queue, tenant))
  end
  if of_tenant >= tonumber(ARGV[4]) then return {0, 'tenant', of_tenant} end
end
redis.call('LPUSH', KEYS[tonumber(ARGV[2])], ARGV[1])
return {1}
