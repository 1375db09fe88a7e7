-- Give the lease back. To do it again changes nothing. A Redis whose memory is full still does this.
-- KEYS[5]  is not needed
-- ARGV[1]  the holder
-- ARGV[2]  'done': forget everything about the job; 'undone': this attempt counts as never begun
-- Answer   none

local holder = redis.call('HGET', KEYS[1], 'holder')
if ARGV[2] == 'undone' then
  uncount(ARGV[1])
  if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
elseif not holder or holder == ARGV[1] then
  redis.call('DEL', unpack(KEYS))
end
