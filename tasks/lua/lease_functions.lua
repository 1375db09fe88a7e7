-- Functions of the scripts for leases. All of those but lease_cancel have these keys:
-- KEYS[1]  the lease, a hash: its `holder`, and the `cell` that runs the job
-- KEYS[2]  how many attempts were begun that never came to an orderly end
-- KEYS[3]  there is one: the job is to be cancelled
-- KEYS[4]  the holders of those attempts, a set
-- KEYS[5]  the result, as Celery stores it

-- Whether the job has its result.
local function ready(key)
  local state = string.match(redis.call('GETRANGE', key, 0, 40), '"status": "(%u+)"')
  return state == 'SUCCESS' or state == 'FAILURE' or state == 'REVOKED'
end

-- Forget that this holder has begun.
local function uncount(holder)
  if redis.call('SISMEMBER', KEYS[4], holder) == 0 then return end
  if redis.call('DECR', KEYS[2]) <= 0 then redis.call('DEL', KEYS[2]) end
  redis.call('SREM', KEYS[4], holder)
end

