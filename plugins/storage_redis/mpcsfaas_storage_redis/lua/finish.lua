-- Of each transition: id, number, the state to reach, the budget used up, when it is ready again, its record as JSON,
-- value, failure and logs (the last three may be empty). Gives 1 for each that was applied, 0 for each that was fenced.
local applied, work, ended = {}, {}, {}

local function save(id, state, record, logs, ...)
  local key = task_key(id)
  if state[ATTEMPT] > 1 then
    local history = redis.call('HGET', key, 'history')
    record = history and history .. ',' .. record or record
    redis.call('HDEL', key, 'logs')
  end
  redis.call('HSET', key, 'state', cmsgpack.pack(state), 'history', record, ...)
  if logs ~= '' then
    redis.call('HSET', key, 'logs', logs)
  end
end

local function requeue(id, state, head, budget, ready_at)
  state[STATE], state[READY_AT] = 'QUEUED', ready_at
  if budget == 'retry' then
    state[FAILURES] = state[FAILURES] + 1
  elseif budget == 'redelivery' then
    state[LOSSES] = state[LOSSES] + 1
  end
  queue(id, state, head)
  work[#work + 1] = id
end

local function apply(id, state, head, to, budget, ready_at, record, value, failure, logs)
  state[HOLDER] = ''
  remove('leases', id)
  remove('state:RUNNING', id)
  if to == 'QUEUED' then
    requeue(id, state, head, budget, tonumber(ready_at))
    save(id, state, record, logs)
  else
    finish_task(id, state, head, to)
    ended[#ended + 1] = id
    if failure == '' then
      save(id, state, record, logs, 'value', value)
    else
      save(id, state, record, logs, 'value', value, 'failure', failure)
    end
  end
end

pass_when_full()
for index = 2, #ARGV, 9 do
  local id, number = ARGV[index], tonumber(ARGV[index + 1])
  local state, head = load_task(id)
  if state and state[STATE] == 'RUNNING' and state[ATTEMPT] == number then
    apply(id, state, head, unpack(ARGV, index + 2, index + 8))
    applied[#applied + 1] = 1
  else
    applied[#applied + 1] = 0
  end
end
flush()
announce_work(work)
publish('results', ended)
return applied
