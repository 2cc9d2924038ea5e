-- Of each transition: id, number, the state to reach, the budget used up, when it is ready again, its record as JSON,
-- value, failure and logs (the last three may be empty). Gives 1 for each that was applied, 0 for each that was fenced.
local applied, work, ended = {}, {}, {}

local function keep_record(id, state, record, logs)
  local key = task_key(id)
  if state[ATTEMPT] > 1 then
    local history = redis.call('HGET', key, 'history')
    record = history and history .. ',' .. record or record
    redis.call('HDEL', key, 'logs')
  end
  redis.call('HSET', key, 'state', cmsgpack.pack(state), 'history', record)
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

local function finish(id, state, head, to, value, failure)
  finish_task(id, state, head, to)
  if value ~= '' then
    redis.call('HSET', task_key(id), 'value', value)
  end
  if failure ~= '' then
    redis.call('HSET', task_key(id), 'failure', failure)
  end
  ended[#ended + 1] = id
end

pass_when_full()
for index = 2, #ARGV, 9 do
  local id, number, to = ARGV[index], tonumber(ARGV[index + 1]), ARGV[index + 2]
  local state, head = load_task(id)
  local is_held = state and state[STATE] == 'RUNNING' and state[ATTEMPT] == number
  applied[#applied + 1] = is_held and 1 or 0
  if is_held then
    state[HOLDER] = ''
    remove('leases', id)
    remove('state:RUNNING', id)
    if to == 'QUEUED' then
      requeue(id, state, head, ARGV[index + 3], tonumber(ARGV[index + 4]))
    else
      finish(id, state, head, to, ARGV[index + 6], ARGV[index + 7])
    end
    keep_record(id, state, ARGV[index + 5], ARGV[index + 8])
  end
end
flush()
announce_work(work)
publish('results', ended)
return applied
