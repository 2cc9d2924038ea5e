-- dispatcher, limit, lease, the default deadline or ''. Answers as claim does.
local dispatcher, limit, lease, default = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local reply, size = { 0 }, 0
local overdue = redis.call('ZRANGEBYSCORE', prefix .. 'deadlines', '-inf', now, 'LIMIT', 0, limit)

-- In the order of acceptance: those behind are hardly older.
if default and #overdue < limit then
  for _, id in ipairs(redis.call('ZRANGE', prefix .. 'queued', 0, limit - #overdue - 1)) do
    local _, head = load_task(id)
    if head and head[CREATED_AT] + default <= now then
      overdue[#overdue + 1] = id
    end
  end
end

pass_when_full()
for _, id in ipairs(overdue) do
  if size > LARGEST_REPLY then
    reply[1] = 1
    break
  end
  local state, head = load_task(id)
  if state then
    unqueue(id, state, head)
  end
  size = size + start(reply, id, dispatcher, lease)
end
flush()
return reply
