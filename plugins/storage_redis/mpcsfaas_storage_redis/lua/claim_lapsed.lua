-- parts: records changes owners attempts
-- dispatcher, limit, lease. Answers as claim does.
local dispatcher, limit, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local reply, taken, records, size = { 0 }, {}, {}, 0
pass_when_full()
local lapsed = redis.call('ZRANGEBYSCORE', prefix .. 'leases', '-inf', now, 'LIMIT', 0, limit)
local tasks = load_tasks(lapsed)
for _, id in ipairs(lapsed) do
  if size > LARGEST_REPLY then
    reply[1] = 1
    break
  end
  local task = tasks[id]
  if task then
    size = size + task[PAYLOAD_SIZE]
    taken[#taken + 1], records[#records + 1] = id, hand_over(id, task, dispatcher, lease)
  else
    remove('leases', id)
  end
end
flush()
tell_attempts(reply, taken, records)
return reply
