-- parts: records changes
-- dispatcher, lease, then id and number of each attempt. Gives the places, from 0, of those that are not held.
local dispatcher, lease = ARGV[2], tonumber(ARGV[3])
local ids, lost = {}, {}
for index = 4, #ARGV, 2 do
  ids[#ids + 1] = ARGV[index]
end
local tasks = load_tasks(ids)
pass_when_full()
for place, id in ipairs(ids) do
  local task, number = tasks[id], tonumber(ARGV[2 * place + 3])
  if task and task[STATE] == 'R' and task[ATTEMPT] == number and task[HOLDER] == dispatcher then
    add('leases', after(lease), id)
  else
    lost[#lost + 1] = place - 1
  end
end
flush()
return lost
