-- Take the newest of the messages that are too many, of those whose publishers did not ask whether there is room.
-- KEYS[4]  the list to which this consumer takes them; KEYS[5…] the queue's lists, the most urgent first
-- ARGV[1]  how many messages may wait, and ARGV[2]  how many of one tenant; 0: any number
-- ARGV[3]  how many are taken at most
-- Answer   the messages: they are on the list, the last one at its end

local taken = {}
-- Redis removes an element of a list by its value, so it gets one that no other element has.
local REMOVED = '"cellblock.removed"'

-- Whether the publisher was told that there is room, or a worker had the message before.
local function is_accepted(message)
  local where = #message > READ_BYTES and string.sub(message, -8192) or message
  return string.find(where, '"cellblock_accepted": ?true') or string.find(where, '"redelivered": ?true')
    or string.find(where, '"retries": ?[1-9]')
end

-- Take a tenant's newest message that was not accepted. Answers whether there is one.
local function take_newest(queue, tenant)
  local list = list_of(queue, tenant)
  for i = 0, MOST do
    local message = redis.call('LINDEX', list, i)
    if not message then return false end
    if not is_accepted(message) then
      redis.call('LSET', list, i, REMOVED)
      redis.call('LREM', list, 1, REMOVED)
      leave(queue, tenant, number(redis.call('ZSCORE', turns_of(queue), tenant)))
      drop_ticket(queue)
      redis.call('RPUSH', KEYS[4], message)
      taken[#taken + 1] = message
      return true
    end
  end
  return false
end

-- The same, of the tenant with the most messages that has one.
local function take_newest_of_largest(queue)
  local tenants = redis.call('ZRANGE', turns_of(queue), 0, -1)
  local length = {}
  for _, tenant in ipairs(tenants) do length[tenant] = redis.call('LLEN', list_of(queue, tenant)) end
  table.sort(tenants, function(a, b) return length[a] > length[b] end)
  for _, tenant in ipairs(tenants) do
    if take_newest(queue, tenant) then return true end
  end
  return false
end

local total, bound, of_one, most, count = 0, tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), {}
for i = 5, #KEYS do
  sort(KEYS[i])
  total = total + redis.call('LLEN', KEYS[i])
  for _, tenant in ipairs(redis.call('ZRANGE', turns_of(KEYS[i]), 0, -1)) do
    count[tenant] = (count[tenant] or 0) + redis.call('LLEN', list_of(KEYS[i], tenant))
  end
end
for i = #KEYS, 5, -1 do
  for _, tenant in ipairs(redis.call('ZRANGE', turns_of(KEYS[i]), 0, -1)) do
    while of_one > 0 and count[tenant] > of_one and #taken < most and take_newest(KEYS[i], tenant) do
      count[tenant], total = count[tenant] - 1, total - 1
    end
  end
  while bound > 0 and total > bound and #taken < most and take_newest_of_largest(KEYS[i]) do
    total = total - 1
  end
end
return taken
