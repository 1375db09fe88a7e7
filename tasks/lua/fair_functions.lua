-- Functions for the turns of tenants. A publisher names a job's tenant in a header of its message, and pushes
-- the message to the queue's list, like any publisher. There it is replaced by a ticket when it is sorted, so
-- that the length of the list stays the number of messages that wait. For each list `queue` there are:
--   cellblock.fair:<queue>             a hash: `tickets`, how many the list has, and `now`, the turn that is on
--   cellblock.order:<queue>            the tenants with messages, a sorted set by their next turn
--   cellblock.served:<queue>           the tenants without, by the turn that they would have next
--   cellblock.tenant:<queue>:<tenant>  a tenant's messages, a list
--   cellblock.running:<tenant>         the delivery tags of what a tenant has running, if that is bounded
-- A turn is a number. With each message that a tenant is served, its next turn grows by one divided by its
-- weight. The tenant with the lowest turn is served next.

local TICKET = '"cellblock.ticket"'
-- How much one call sorts. It must not hold up Redis for more than some milliseconds.
local MOST, MOST_BYTES = 500, 4194304
-- A larger message takes Redis too long to read.
local READ_BYTES = 65536

local function list_of(queue, tenant) return 'cellblock.tenant:' .. queue .. ':' .. tenant end
local function hash_of(queue) return 'cellblock.fair:' .. queue end
local function turns_of(queue) return 'cellblock.order:' .. queue end
local function served_of(queue) return 'cellblock.served:' .. queue end

-- The message as a table, if kombu could read it, and it is short.
local function content_of(message)
  if #message > READ_BYTES then return nil end
  local ok, content = pcall(cjson.decode, message)
  if ok and type(content) == 'table' and type(content.headers) == 'table' then return content end
end

-- The tenant that a message names; empty: none.
local function tenant_of(message)
  local content, tenant = content_of(message), nil
  if content then
    tenant = content.headers.cellblock_tenant
  elseif #message > READ_BYTES then
    -- Kombu writes the headers after the body.
    tenant = string.match(string.sub(message, -8192), '"cellblock_tenant": ?"([^"\\]*)"')
  end
  if type(tenant) ~= 'string' or #tenant > 64 or string.find(tenant, '[^%w._@-]') then return '' end
  return tenant
end

local function number(value) return tonumber(value or 0) or 0 end

-- Give a tenant with a message its turn.
local function enter(queue, tenant)
  if redis.call('ZSCORE', turns_of(queue), tenant) then return end
  local now = number(redis.call('HGET', hash_of(queue), 'now'))
  local turn = math.max(now, number(redis.call('ZSCORE', served_of(queue), tenant)))
  redis.call('ZADD', turns_of(queue), turn, tenant)
  redis.call('ZREM', served_of(queue), tenant)
end

-- Replace the messages in the list by tickets, from the oldest on. Those at its end came back from a consumer:
-- they go before the other messages of their tenants.
local function sort(queue)
  local tickets = number(redis.call('HGET', hash_of(queue), 'tickets'))
  local last = redis.call('LINDEX', queue, -1)
  local back = {}
  while last and last ~= TICKET and tickets > 0 and #back < MOST do
    back[#back + 1] = redis.call('RPOP', queue)
    last = redis.call('LINDEX', queue, -1)
  end
  for i = #back, 1, -1 do
    local tenant = tenant_of(back[i])
    redis.call('RPUSH', list_of(queue, tenant), back[i])
    redis.call('RPUSH', queue, TICKET)
    enter(queue, tenant)
  end
  tickets = tickets + #back
  local count, bytes = 0, 0
  while count < MOST and bytes < MOST_BYTES do
    local message = redis.call('LINDEX', queue, -tickets - 1)
    if not message then break end
    if message ~= TICKET then
      local tenant = tenant_of(message)
      redis.call('LPUSH', list_of(queue, tenant), message)
      redis.call('LSET', queue, -tickets - 1, TICKET)
      enter(queue, tenant)
    end
    tickets, count, bytes = tickets + 1, count + 1, bytes + #message
  end
  if tickets > 0 then redis.call('HSET', hash_of(queue), 'tickets', tickets) end
end

-- Whether a tenant may have one more job running. What is no longer unacknowledged runs no more.
local function may_run(tenant, bound, unacked)
  if bound == 0 then return true end
  local key = 'cellblock.running:' .. tenant
  if redis.call('SCARD', key) < bound then return true end
  for _, tag in ipairs(redis.call('SMEMBERS', key)) do
    if redis.call('HEXISTS', unacked, tag) == 0 then redis.call('SREM', key, tag) end
  end
  return redis.call('SCARD', key) < bound
end

local function runs(tenant, bound, tag)
  if bound == 0 then return end
  redis.call('SADD', 'cellblock.running:' .. tenant, tag)
  redis.call('EXPIRE', 'cellblock.running:' .. tenant, 2592000)
end

-- A tenant has no messages left, or its turn is over.
local function leave(queue, tenant, turn)
  if redis.call('EXISTS', list_of(queue, tenant)) == 1 then
    redis.call('ZADD', turns_of(queue), turn, tenant)
    return
  end
  redis.call('ZREM', turns_of(queue), tenant)
  redis.call('ZADD', served_of(queue), turn, tenant)
end

-- One message has left the queue: so does a ticket. Nothing is remembered of a queue that is empty.
local function drop_ticket(queue)
  if redis.call('LINDEX', queue, -1) == TICKET then redis.call('RPOP', queue) end
  if redis.call('HINCRBY', hash_of(queue), 'tickets', -1) <= 0 then redis.call('HDEL', hash_of(queue), 'tickets') end
  if redis.call('EXISTS', turns_of(queue)) == 0 then
    while redis.call('LINDEX', queue, -1) == TICKET do redis.call('RPOP', queue) end
    redis.call('DEL', hash_of(queue), served_of(queue))
  end
end

-- The tenant whose turn it is. Only a few are read at a time: there may be thousands.
local function first_that_may_run(queue, bound, unacked)
  local from = 0
  while true do
    local some = redis.call('ZRANGE', turns_of(queue), from, from + 9)
    for _, tenant in ipairs(some) do
      if may_run(tenant, bound, unacked) then return tenant end
    end
    if #some == 0 then return nil end
    from = from + 10
  end
end

-- Take the next message in turn. Answers the message and its tenant; false, if none of those that wait may run.
local function next_in_turn(queue, weights, bound, unacked)
  local waiting = redis.call('LLEN', queue)
  if waiting == 0 and redis.call('EXISTS', turns_of(queue)) == 0 then return nil end
  -- A message that waits alone needs no turn.
  if waiting == 1 and bound == 0 and redis.call('EXISTS', turns_of(queue)) == 0 then
    local message = redis.call('RPOP', queue)
    if message == TICKET then return nil end
    return message, ''
  end
  sort(queue)
  local tenant = first_that_may_run(queue, bound, unacked)
  while tenant do
    local turn = number(redis.call('ZSCORE', turns_of(queue), tenant))
    local message = redis.call('RPOP', list_of(queue, tenant))
    leave(queue, tenant, turn + 1 / (weights[tenant] or 1))
    if message then
      redis.call('HSET', hash_of(queue), 'now', turn)
      redis.call('ZREMRANGEBYSCORE', served_of(queue), '-inf', turn)
      drop_ticket(queue)
      return message, tenant
    end
    tenant = first_that_may_run(queue, bound, unacked)
  end
  if redis.call('EXISTS', turns_of(queue)) == 1 then return false end
  drop_ticket(queue)
end

