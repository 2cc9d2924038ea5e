-- dispatcher, limit, lease. Answers as claim does.
local dispatcher, limit, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local reply, size = { 0 }, 0
pass_when_full()
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leases', '-inf', now, 'LIMIT', 0, limit)) do
  if size > LARGEST_REPLY then
    reply[1] = 1
    break
  end
  local state = load_task(id)
  if state then
    size = size + take_over(reply, id, state, dispatcher, lease)
  else
    remove('leases', id)
  end
end
flush()
return reply
