-- The ids of tasks. Gives the state of each afterwards, '' if it is unknown.
local states, told, ended = {}, {}, {}

local function tell_holder(id, state)
  local key = prefix .. 'cancelled:' .. state[HOLDER]
  redis.call('SADD', key, id)
  redis.call('EXPIRE', key, 3600) -- for a dispatcher that never asks
  told[#told + 1] = id
end

local function cancel(id, state, head)
  if state[STATE] == 'RUNNING' then
    remove('leases', id)
    remove('state:RUNNING', id)
    tell_holder(id, state)
  else
    unqueue(id, state, head)
  end
  finish_task(id, state, head, 'CANCELLED')
  save_state(id, state)
  ended[#ended + 1] = id
end

pass_when_full()
for index = 2, #ARGV do
  local state, head = load_task(ARGV[index])
  if state and (state[STATE] == 'QUEUED' or state[STATE] == 'RUNNING') then
    cancel(ARGV[index], state, head)
  end
  states[#states + 1] = state and state[STATE] or ''
end
flush()
announce_work(told)
publish('results', ended)
return states
