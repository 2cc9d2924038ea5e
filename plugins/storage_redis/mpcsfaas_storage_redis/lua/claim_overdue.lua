-- parts: records changes owners queue attempts
-- dispatcher, limit, lease, the default deadline or ''. Answers as claim does.
local dispatcher, limit, lease, default = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local reply, started, records, size = { 0 }, {}, {}, 0
local overdue = redis.call('ZRANGEBYSCORE', prefix .. 'deadlines', '-inf', now, 'LIMIT', 0, limit)
local tasks = load_tasks(overdue)

-- In the order of acceptance: those behind are hardly older.
if default and #overdue < limit then
  local first = redis.call('ZRANGE', prefix .. 'queued', 0, limit - #overdue - 1)
  for id, task in pairs(load_tasks(first)) do
    if task[CREATED_AT] + default <= now then
      overdue[#overdue + 1], tasks[id] = id, task
    end
  end
end

pass_when_full()
for _, id in ipairs(overdue) do
  if size > LARGEST_REPLY then
    reply[1] = 1
    break
  end
  local task = tasks[id]
  if task then
    unqueue(id, task)
    size = size + task[PAYLOAD_SIZE]
    started[#started + 1], records[#records + 1] = id, start(id, task, dispatcher, lease)
  else
    remove('deadlines', id)
  end
end
flush()
settle_owners({})
tell_attempts(reply, started, records)
return reply
