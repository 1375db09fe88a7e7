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
