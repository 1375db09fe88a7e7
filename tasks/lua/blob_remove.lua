-- Remove a content.
-- KEYS[4]  the content
-- ARGV[1]  its entry
-- Answer   1 if there was one, else 0

forget(ARGV[1])
return redis.call('UNLINK', KEYS[4])
