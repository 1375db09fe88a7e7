# Made by `python docs/generate.py` from tasks/lua. Change it there.
"""The scripts that the client runs in Redis."""

__all__ = ["BLOB_PUBLISH", "BLOB_REMOVE", "BLOB_WRITE", "CANCEL"]

BLOB_PUBLISH = """
-- Functions of the scripts for blobs. All have these keys:
-- KEYS[1]  when what expires, in milliseconds: a sorted set of entries
-- KEYS[2]  how many bytes each entry takes, a hash
-- KEYS[3]  how many bytes each tenant's entries take together, a hash; those of all: `:`
-- An entry is `tenant:digest`, or `tenant:.number` for what a writer has not published yet.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function add(entry, bytes)
  local tenant = string.match(entry, '^([^:]*):')
  for _, who in ipairs({tenant, ':'}) do
    local left = redis.call('HINCRBY', KEYS[3], who, string.format('%d', bytes))
    if left <= 0 then redis.call('HDEL', KEYS[3], who) end
  end
end

local function forget(entry)
  local bytes = redis.call('HGET', KEYS[2], entry)
  if not bytes then return end
  redis.call('HDEL', KEYS[2], entry)
  redis.call('ZREM', KEYS[1], entry)
  add(entry, -bytes)
end

-- Forget what has expired, a thousand at a time so that no call takes long.
local function purge(now)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)
  for _, entry in ipairs(gone) do forget(entry) end
end

-- Note what an entry takes, and until when. The lists last as long as their last entry.
local function note(entry, bytes, now, lasts_ms)
  add(entry, bytes - (redis.call('HGET', KEYS[2], entry) or 0))
  redis.call('HSET', KEYS[2], entry, bytes)
  redis.call('ZADD', KEYS[1], now + lasts_ms, entry)
  for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3]}) do
    if redis.call('PTTL', key) < lasts_ms then redis.call('PEXPIRE', key, lasts_ms) end
  end
end

-- Which bound `bytes` more of this tenant would pass: 'all', 'tenant', or nil. Bounds of 0 are none.
local function excess(tenant, bytes, most, most_of_tenant)
  if most > 0 and (redis.call('HGET', KEYS[3], ':') or 0) + bytes > most then return 'all' end
  if most_of_tenant > 0 and (redis.call('HGET', KEYS[3], tenant) or 0) + bytes > most_of_tenant then
    return 'tenant'
  end
end
-- Make a content readable, if all of its pieces are there. Doing it again has no effect.
-- KEYS[4]  the content, a hash of its pieces
-- KEYS[5]  where it is to be read; what is there is the same content, or a damaged one
-- ARGV[1]  the entry of KEYS[4]; ARGV[2]  the entry of KEYS[5]
-- ARGV[3]  the number of pieces; ARGV[4]  their bytes together; ARGV[5]  for how many milliseconds it is kept
-- Answer   'ok', or 'lost' if not all pieces are there

local now, lasts_ms = now_ms(), tonumber(ARGV[5])
if redis.call('EXISTS', KEYS[4]) == 0 and redis.call('HGET', KEYS[5], 'size') == ARGV[4] then return 'ok' end
if redis.call('HLEN', KEYS[4]) ~= tonumber(ARGV[3]) then return 'lost' end
redis.call('HSET', KEYS[4], 'size', ARGV[4])
redis.call('PEXPIRE', KEYS[4], lasts_ms)
redis.call('UNLINK', KEYS[5])
redis.call('RENAME', KEYS[4], KEYS[5])
forget(ARGV[1])
note(ARGV[2], tonumber(ARGV[4]), now, lasts_ms)
return 'ok'
"""

BLOB_REMOVE = """
-- Functions of the scripts for blobs. All have these keys:
-- KEYS[1]  when what expires, in milliseconds: a sorted set of entries
-- KEYS[2]  how many bytes each entry takes, a hash
-- KEYS[3]  how many bytes each tenant's entries take together, a hash; those of all: `:`
-- An entry is `tenant:digest`, or `tenant:.number` for what a writer has not published yet.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function add(entry, bytes)
  local tenant = string.match(entry, '^([^:]*):')
  for _, who in ipairs({tenant, ':'}) do
    local left = redis.call('HINCRBY', KEYS[3], who, string.format('%d', bytes))
    if left <= 0 then redis.call('HDEL', KEYS[3], who) end
  end
end

local function forget(entry)
  local bytes = redis.call('HGET', KEYS[2], entry)
  if not bytes then return end
  redis.call('HDEL', KEYS[2], entry)
  redis.call('ZREM', KEYS[1], entry)
  add(entry, -bytes)
end

-- Forget what has expired, a thousand at a time so that no call takes long.
local function purge(now)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)
  for _, entry in ipairs(gone) do forget(entry) end
end

-- Note what an entry takes, and until when. The lists last as long as their last entry.
local function note(entry, bytes, now, lasts_ms)
  add(entry, bytes - (redis.call('HGET', KEYS[2], entry) or 0))
  redis.call('HSET', KEYS[2], entry, bytes)
  redis.call('ZADD', KEYS[1], now + lasts_ms, entry)
  for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3]}) do
    if redis.call('PTTL', key) < lasts_ms then redis.call('PEXPIRE', key, lasts_ms) end
  end
end

-- Which bound `bytes` more of this tenant would pass: 'all', 'tenant', or nil. Bounds of 0 are none.
local function excess(tenant, bytes, most, most_of_tenant)
  if most > 0 and (redis.call('HGET', KEYS[3], ':') or 0) + bytes > most then return 'all' end
  if most_of_tenant > 0 and (redis.call('HGET', KEYS[3], tenant) or 0) + bytes > most_of_tenant then
    return 'tenant'
  end
end
-- Remove a content.
-- KEYS[4]  the content
-- ARGV[1]  its entry
-- Answer   1 if there was one, else 0

forget(ARGV[1])
return redis.call('UNLINK', KEYS[4])
"""

BLOB_WRITE = """
-- Functions of the scripts for blobs. All have these keys:
-- KEYS[1]  when what expires, in milliseconds: a sorted set of entries
-- KEYS[2]  how many bytes each entry takes, a hash
-- KEYS[3]  how many bytes each tenant's entries take together, a hash; those of all: `:`
-- An entry is `tenant:digest`, or `tenant:.number` for what a writer has not published yet.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function add(entry, bytes)
  local tenant = string.match(entry, '^([^:]*):')
  for _, who in ipairs({tenant, ':'}) do
    local left = redis.call('HINCRBY', KEYS[3], who, string.format('%d', bytes))
    if left <= 0 then redis.call('HDEL', KEYS[3], who) end
  end
end

local function forget(entry)
  local bytes = redis.call('HGET', KEYS[2], entry)
  if not bytes then return end
  redis.call('HDEL', KEYS[2], entry)
  redis.call('ZREM', KEYS[1], entry)
  add(entry, -bytes)
end

-- Forget what has expired, a thousand at a time so that no call takes long.
local function purge(now)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)
  for _, entry in ipairs(gone) do forget(entry) end
end

-- Note what an entry takes, and until when. The lists last as long as their last entry.
local function note(entry, bytes, now, lasts_ms)
  add(entry, bytes - (redis.call('HGET', KEYS[2], entry) or 0))
  redis.call('HSET', KEYS[2], entry, bytes)
  redis.call('ZADD', KEYS[1], now + lasts_ms, entry)
  for _, key in ipairs({KEYS[1], KEYS[2], KEYS[3]}) do
    if redis.call('PTTL', key) < lasts_ms then redis.call('PEXPIRE', key, lasts_ms) end
  end
end

-- Which bound `bytes` more of this tenant would pass: 'all', 'tenant', or nil. Bounds of 0 are none.
local function excess(tenant, bytes, most, most_of_tenant)
  if most > 0 and (redis.call('HGET', KEYS[3], ':') or 0) + bytes > most then return 'all' end
  if most_of_tenant > 0 and (redis.call('HGET', KEYS[3], tenant) or 0) + bytes > most_of_tenant then
    return 'tenant'
  end
end
-- Write one piece of a content that nobody can read yet. Writing a piece again has no effect.
-- KEYS[4]  the content, a hash of its pieces
-- ARGV[1]  the tenant; ARGV[2]  the entry; ARGV[3]  the piece's number; ARGV[4]  the piece
-- ARGV[5]  for how many milliseconds it is kept
-- ARGV[6]  how many bytes all blobs may take, ARGV[7]  those of this tenant; 0: any number
-- Answer   'ok', or the bound that it would pass: 'all' or 'tenant'

local now, lasts_ms = now_ms(), tonumber(ARGV[5])
purge(now)
local more = #ARGV[4] - redis.call('HSTRLEN', KEYS[4], ARGV[3])
local bound = excess(ARGV[1], more, tonumber(ARGV[6]), tonumber(ARGV[7]))
if bound then return bound end
redis.call('HSET', KEYS[4], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[4], lasts_ms)
note(ARGV[2], (redis.call('HGET', KEYS[2], ARGV[2]) or 0) + more, now, lasts_ms)
return 'ok'
"""

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
