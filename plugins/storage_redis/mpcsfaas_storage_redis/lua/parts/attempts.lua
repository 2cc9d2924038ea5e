-- Needs records, changes and owners.

-- Changes the holder of an attempt that runs, or is about to. Gives its record.
local function hand_over(id, task, dispatcher, lease)
  set_holder(task, dispatcher)
  add('leases', after(lease), id)
  return save(id, task)
end

-- QUEUED to RUNNING. The task has left its queue. Gives its record.
local function start(id, task, dispatcher, lease)
  task[STATE], task[ATTEMPT], task[CLAIMED_AT] = 'R', task[ATTEMPT] + 1, now
  add('state:RUNNING', task[POSITION], id)
  if is_owned(task) then
    count(task, 0, 1)
  end
  return hand_over(id, task, dispatcher, lease)
end

local function stop(id, task)
  remove('leases', id)
  remove('state:RUNNING', id)
  if is_owned(task) then
    count(task, 0, -1)
  end
end

-- Appends id, record and payload of each attempt to what a script gives.
local function tell_attempts(reply, ids, records)
  for index, payload in ipairs(read('payloads', ids)) do
    local last = #reply
    reply[last + 1], reply[last + 2], reply[last + 3] = ids[index], records[index], payload
  end
end
