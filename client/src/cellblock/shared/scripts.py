# Made by `python docs/generate.py` from tasks/lua. Change it there.
"""The scripts that the client runs in Redis."""

__all__ = ["CANCEL"]

CANCEL = """
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

-- Ask that the job be cancelled, unless it has its result.
-- KEYS[1]  the request; KEYS[2]  the result
-- ARGV[1]  how long the request is kept, in seconds
-- Answer   none

if not ready(KEYS[2]) then redis.call('SET', KEYS[1], 1, 'EX', ARGV[1]) end
"""
