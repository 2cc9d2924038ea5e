-- id, when the report runs out, the report (empty to withdraw it). Reports that have run out go.
local id, expires_at, report = ARGV[2], ARGV[3], ARGV[4]

local function withdraw(name)
  redis.call('ZREM', prefix .. 'dispatchers', name)
  redis.call('HDEL', prefix .. 'dispatchers:reports', name)
end

withdraw(id)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'dispatchers', '-inf', now, 'LIMIT', 0, SLICE)) do
  withdraw(name)
end
if report ~= '' then
  redis.call('ZADD', prefix .. 'dispatchers', expires_at, id)
  redis.call('HSET', prefix .. 'dispatchers:reports', id, report)
end
return 1
