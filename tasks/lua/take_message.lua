-- Acknowledge what is done. Then take the first message of the first queue that has one.
-- KEYS[4…] pairs: a queue, and the list to which this consumer takes its messages
-- ARGV[1]  the delivery tag of the message, if it is recorded; ARGV[2]  the time, in seconds
-- ARGV[3]  what is between the name of a queue and its priority; ARGV[4]  the largest size that is recorded
-- ARGV[5…] the delivery tags of what is done
-- Answer   {the number of the pair, the message, 1: it is recorded; 0: it is on the list}
--          none: all queues are empty

-- Whether kombu could put the message back. A large one would take Redis too long to read.
local function readable(message)
  if #message > tonumber(ARGV[4]) then return false end
  local ok, content = pcall(cjson.decode, message)
  return ok and type(content) == 'table' and type(content.headers) == 'table'
    and type(content.properties) == 'table' and type(content.properties.delivery_info) == 'table'
end

for i = 5, #ARGV do forget(ARGV[i]) end
for i = 4, #KEYS, 2 do
  -- A message on the list was taken before, and the answer has reached nobody.
  local message = redis.call('LINDEX', KEYS[i + 1], -1)
  if message then return {i / 2 - 1, message, 0} end
  message = redis.call('RPOP', KEYS[i])
  if message and readable(message) then
    local cut = string.find(KEYS[i], ARGV[3], 1, true)
    record(ARGV[1], ARGV[2], message, cut and string.sub(KEYS[i], 1, cut - 1) or KEYS[i])
    return {i / 2 - 1, message, 1}
  elseif message then
    redis.call('LPUSH', KEYS[i + 1], message)
    return {i / 2 - 1, message, 0}
  end
end
