-- Gives the reports that have not run out.
local ids = redis.call('ZRANGEBYSCORE', prefix .. 'dispatchers', '(' .. string.format('%.17g', now), '+inf')
if #ids == 0 then
  return {}
end
return redis.call('HMGET', prefix .. 'dispatchers:reports', unpack(ids))
