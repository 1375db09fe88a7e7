"""What happens to a lease in Redis: each script is one step, and doing it again changes nothing.

KEYS are the lease (a hash: its `holder`, the `cell`), the number of attempts, the wish that the job be
cancelled, the turns (a set: whoever began and has not come to an orderly end), and the result. ARGV[1] is
the holder, who asks. A Redis that is full still renews and drops leases: PEXPIRE, SREM and DEL take no
memory.
"""

__all__ = ["ACQUIRE", "CANCEL", "CLAIM", "DROP", "RELEASE", "RENEW"]

_READY = """
local function ready(key)
  local state = string.match(redis.call('GETRANGE', key, 0, 40), '"status": "(%u+)"')
  return state == 'SUCCESS' or state == 'FAILURE' or state == 'REVOKED'
end
"""
_UNCOUNT = """
local function uncount(holder)
  if redis.call('SISMEMBER', KEYS[4], holder) == 0 then return end
  if redis.call('DECR', KEYS[2]) <= 0 then redis.call('DEL', KEYS[2]) end
  redis.call('SREM', KEYS[4], holder)
end
"""

# ARGV: holder, milliseconds, whom the holder was before it lost the lease, seconds to keep the count.
# The result comes first: a job that has one is never run again. Who runs it reports a cancellation itself.
ACQUIRE = f"""{_READY}{_UNCOUNT}
if ARGV[3] ~= '' then uncount(ARGV[3]) end
if ready(KEYS[5]) then return {{'done', 0}} end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then return {{'held', 0}} end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'cell', '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('EXISTS', KEYS[3]) == 1 then return {{'cancelled', 0}} end
if redis.call('SADD', KEYS[4], ARGV[1]) == 1 then redis.call('INCR', KEYS[2]) end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('EXPIRE', KEYS[4], ARGV[4])
return {{'granted', tonumber(redis.call('GET', KEYS[2]))}}
"""

# ARGV: holder, milliseconds, cell. What is gone is never taken: somebody else may have had it since.
RENEW = """
if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then return {'lost', 0} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if redis.call('HGET', KEYS[1], 'cell') ~= ARGV[3] then redis.pcall('HSET', KEYS[1], 'cell', ARGV[3]) end
return {redis.call('EXISTS', KEYS[3]) == 1 and 'cancelled' or 'granted', 0}
"""

# ARGV: holder, milliseconds. Of who runs nothing any more: what nobody has may be taken.
CLAIM = f"""{_READY}
if ready(KEYS[5]) then return {{'done', 0}} end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return {{'held', 0}} end
if not holder then redis.call('HSET', KEYS[1], 'holder', ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {{'granted', 0}}
"""

# ARGV: holder, done or undone.
RELEASE = f"""{_UNCOUNT}
local holder = redis.call('HGET', KEYS[1], 'holder')
if ARGV[2] == 'undone' then
  uncount(ARGV[1])
  if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
elseif not holder or holder == ARGV[1] then
  redis.call('DEL', unpack(KEYS))
end
"""

# ARGV: how every holder begins that was in a process. All of its turns are over.
DROP = f"""{_UNCOUNT}
local function is_its(holder) return string.sub(holder, 1, string.len(ARGV[1])) == ARGV[1] end
for _, holder in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  if is_its(holder) then uncount(holder) end
end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and is_its(holder) then redis.call('DEL', KEYS[1]) end
"""

# KEYS: wish, result. ARGV: seconds.
CANCEL = f"""{_READY}
if not ready(KEYS[2]) then redis.call('SET', KEYS[1], 1, 'EX', ARGV[1]) end
"""
