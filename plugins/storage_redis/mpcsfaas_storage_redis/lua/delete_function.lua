-- id. Gives 1 if it was there. What is kept of it is for tasks that were accepted before.
return redis.call('ZREM', prefix .. 'functions', ARGV[2])
