-- parts: records changes owners queue attempts endings parents
-- Of each transition: id, number, the state to reach, the budget used up, when it is ready again, its line of history,
-- value, failure and logs (the last three may be empty). Gives 1 for each that was applied, 0 for each that was fenced.
local ids, applied, work, ended, values, failures = {}, {}, {}, {}, {}, {}

local function keep_history(id, task, line)
  local before = task[ATTEMPT] > 1 and redis.call('HGET', prefix .. 'histories', id)
  write('histories', id, before and before .. ',' .. line or line)
end

local function keep_logs(id, task, logs)
  local had = task[FLAGS] % OWNED
  if logs ~= '' then
    write('logs', id, logs)
  elseif had == LOGS then
    delete('logs', id)
  end
  task[FLAGS] = task[FLAGS] - had + (logs ~= '' and LOGS or 0)
end

local function requeue(id, task, budget, ready_at)
  task[STATE], task[READY_AT] = 'Q', ready_at
  if budget == 'retry' then
    task[FAILURES] = task[FAILURES] + 1
  elseif budget == 'redelivery' then
    task[LOSSES] = task[LOSSES] + 1
  end
  local _, name = strings_of(task)
  if is_owned(task) then
    count(task, 1, 0)
  end
  enter_queued(id, task[POSITION], task[DEADLINE_AT])
  make_due(id, name, task[RANK], task[POSITION], ready_at)
  save(id, task)
  work[#work + 1] = id
end

local function finish(id, task, to, value, failure)
  task[STATE] = to
  values[id], failures[id] = value, failure
  if value ~= '' then
    write('values', id, value)
  end
  if failure ~= '' then
    write('failures', id, failure)
  end
  ended[#ended + 1] = id
end

local function apply(id, task, to, budget, ready_at, line, value, failure, logs)
  stop(id, task)
  set_holder(task, '')
  keep_history(id, task, line)
  keep_logs(id, task, logs)
  if to == 'Q' then
    requeue(id, task, budget, tonumber(ready_at))
  else
    finish(id, task, to, value, failure)
  end
end

for index = 2, #ARGV, 9 do
  ids[#ids + 1] = ARGV[index]
end
local tasks = load_tasks(ids)
pass_when_full()
for number, id in ipairs(ids) do
  local task, index = tasks[id], 9 * number - 7
  if task and task[STATE] == 'R' and task[ATTEMPT] == tonumber(ARGV[index + 1]) then
    apply(id, task, unpack(ARGV, index + 2, index + 8))
    applied[number] = 1
  else
    applied[number] = 0
  end
end
finish_tasks(ended, tasks)
flush()
free_children(ended, tasks, work)
announce_work(settle_owners(work))
announce_endings(ended, tasks, values, failures)
return applied
