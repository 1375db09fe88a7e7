-- Acknowledge what is done. Then take the next message in turn of the first queue that has one.
-- KEYS[4…] pairs: a queue, and the list to which this consumer takes its messages
-- ARGV[1]  the delivery tag of the message, if it is recorded; ARGV[2]  the time, in seconds
-- ARGV[3]  what is between the name of a queue and its priority
-- ARGV[4]  the tenants' weights, as JSON; ARGV[5]  how many jobs of one tenant may run, 0: any number
-- ARGV[6…] the delivery tags of what is done
-- Answer   {the number of the pair, the message, 1: it is recorded; 0: it is on the list}; or
--          {0, the numbers of the pairs with messages of which none may run now}

-- Whether kombu could put the message back.
local function readable(message)
  local content = content_of(message)
  return content and type(content.properties) == 'table' and type(content.properties.delivery_info) == 'table'
end

for i = 6, #ARGV do forget(ARGV[i]) end
local weights, bound, held = cjson.decode(ARGV[4]), tonumber(ARGV[5]), {}
for i = 4, #KEYS, 2 do
  -- A message on the list was taken before, and the answer has reached nobody.
  local message, tenant = redis.call('LINDEX', KEYS[i + 1], -1), nil
  if message and message ~= TICKET then return {i / 2 - 1, message, 0} end
  if message then redis.call('RPUSH', KEYS[i], redis.call('RPOP', KEYS[i + 1])) end
  message, tenant = next_in_turn(KEYS[i], weights, bound, KEYS[2])
  if message == false then held[#held + 1] = i / 2 - 1 end
  if message then
    runs(tenant, bound, ARGV[1])
    if readable(message) then
      local cut = string.find(KEYS[i], ARGV[3], 1, true)
      record(ARGV[1], ARGV[2], message, cut and string.sub(KEYS[i], 1, cut - 1) or KEYS[i])
      return {i / 2 - 1, message, 1}
    end
    redis.call('LPUSH', KEYS[i + 1], message)
    return {i / 2 - 1, message, 0}
  end
end
return {0, held}
