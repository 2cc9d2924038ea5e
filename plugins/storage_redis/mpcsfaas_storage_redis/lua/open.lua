-- The version of the keys that the caller knows. Gives the one of those that are there.
redis.call('SETNX', prefix .. 'schema', ARGV[2])
return redis.call('GET', prefix .. 'schema')
