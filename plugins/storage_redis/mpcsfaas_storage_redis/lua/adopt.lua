-- parts: records changes owners attempts
-- dispatcher, lease, then id and number of each attempt.
-- Gives how many of the pairs were looked at; then id, record and payload of each attempt that was taken over.
local dispatcher, lease = ARGV[2], tonumber(ARGV[3])
local ids, reply, size, adopted, taken, records = {}, { 0 }, 0, {}, {}, {}
for index = 4, #ARGV, 2 do
  ids[#ids + 1] = ARGV[index]
end
local tasks = load_tasks(ids)
pass_when_full()
for place, id in ipairs(ids) do
  if size > LARGEST_REPLY then
    break
  end
  local task = tasks[id]
  if task and task[STATE] == 'R' and task[ATTEMPT] == tonumber(ARGV[2 * place + 3]) and not adopted[id] then
    adopted[id] = true
    size = size + task[PAYLOAD_SIZE]
    taken[#taken + 1], records[#records + 1] = id, hand_over(id, task, dispatcher, lease)
  end
  reply[1] = place
end
flush()
tell_attempts(reply, taken, records)
return reply
