-- Record the message on a list as not acknowledged.
-- KEYS[4]  the list to which it was taken; KEYS[5]  the queue's list that it came from
-- KEYS[6…] other lists that may have messages for this consumer: of queues, and to which it takes those
-- ARGV[1]  its delivery tag
-- ARGV[2]  the time, in seconds
-- ARGV[3]  the queue that it came from
-- ARGV[4]  the message to write in its place; empty: it stays as it is
-- ARGV[5]  how many jobs of its tenant may run, 0: any number
-- Answer   1; 3: the same, and all these lists are empty now; 0: others have given it back, because this
--          consumer was silent; 2: it is back in its queue, because its tenant may run no more

local message = redis.call('RPOP', KEYS[4])
if not message then return 0 end
local bound = tonumber(ARGV[5])
if bound > 0 then
  local tenant = tenant_of(message)
  if redis.call('SISMEMBER', 'cellblock.running:' .. tenant, ARGV[1]) == 0
      and not may_run(tenant, bound, KEYS[2]) then
    redis.call('RPUSH', KEYS[5], message)
    return 2
  end
  runs(tenant, bound, ARGV[1])
end
if ARGV[4] ~= '' then message = ARGV[4] end
record(ARGV[1], ARGV[2], message, ARGV[3])
for i = 4, #KEYS do
  if redis.call('EXISTS', KEYS[i], turns_of(KEYS[i])) > 0 then return 1 end
end
return 3
