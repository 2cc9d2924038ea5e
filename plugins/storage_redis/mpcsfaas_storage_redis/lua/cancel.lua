-- parts: records changes owners queue attempts endings parents
-- The ids of tasks. Gives the state of each afterwards, '' if it is unknown.
local ids, states, told, ended = { unpack(ARGV, 2) }, {}, {}, {}

local function tell_holder(id, holder)
  local key = prefix .. 'cancelled:' .. holder
  redis.call('SADD', key, id)
  redis.call('EXPIRE', key, 3600) -- for a dispatcher that never asks
  told[#told + 1] = id
end

local function cancel(id, task)
  if task[STATE] == 'R' then
    stop(id, task)
    tell_holder(id, task[HOLDER])
  else
    unqueue(id, task)
  end
  task[STATE] = 'X'
  ended[#ended + 1] = id
end

pass_when_full()
local tasks = load_tasks(ids)
for number, id in ipairs(ids) do
  local task = tasks[id]
  if task and (task[STATE] == 'Q' or task[STATE] == 'R') then
    cancel(id, task)
  end
  states[number] = task and task[STATE] or ''
end
finish_tasks(ended, tasks)
flush()
free_children(ended, tasks, told)
announce_work(settle_owners(told))
announce_endings(ended, tasks, {}, {})
return states
