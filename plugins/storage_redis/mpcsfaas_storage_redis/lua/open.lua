-- The version of the keys that the caller knows, and a name for this database if it has none.
-- Gives the version of the keys that are there, and the database's name.
redis.call('SETNX', prefix .. 'schema', ARGV[2])
redis.call('SETNX', prefix .. 'name', ARGV[3])
return redis.call('MGET', prefix .. 'schema', prefix .. 'name')
