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
