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
