-- id, its description, its payload. Gives 1 if it is new.
local id = ARGV[2]
if redis.call('ZSCORE', prefix .. 'functions', id) then
  return 0
end
redis.call('HSET', prefix .. 'function:' .. id, 'head', ARGV[3], 'payload', ARGV[4])
redis.call('ZADD', prefix .. 'functions', 0, id)
return 1
