-- parts: records changes
-- dispatcher, then the ids of tasks of which it is to be told. Gives id and number of each attempt of its own.
local ids, reply = { unpack(ARGV, 3) }, {}
local tasks = load_tasks(ids)
for _, id in ipairs(ids) do
  local task = tasks[id]
  if task and task[STATE] == 'X' and task[HOLDER] == ARGV[2] then
    reply[#reply + 1], reply[#reply + 2] = id, task[ATTEMPT]
  end
end
return reply
