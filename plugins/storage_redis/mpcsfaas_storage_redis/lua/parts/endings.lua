-- Needs records and changes.

-- Gives tasks that reached a terminal state their places in the feed, and saves them.
local function finish_tasks(ids, tasks)
  if #ids == 0 then
    return
  end
  local sequence = redis.call('INCRBY', prefix .. 'sequence', #ids) - #ids
  for number, id in ipairs(ids) do
    local task = tasks[id]
    local state, group, entry = NAMES[task[STATE]], group_of(task), string.format('%.0f-0', sequence + number)
    task[FINISHED_AT], task[SEQUENCE] = now, sequence + number
    if group then
      redis.call('XADD', prefix .. 'feed', entry, state, id, 'group', group)
      redis.call('XADD', prefix .. 'feed:' .. group, entry, state, id)
    else
      redis.call('XADD', prefix .. 'feed', entry, state, id)
    end
    add('state:' .. state, task[POSITION], id)
    add('expiry', after(task[TTL]), id)
    delete('payloads', id)
    save(id, task)
  end
end
