-- Needs records, changes, owners and queue. A task with parents that have not ended is in no queue: `parents:ID` has them,
-- and `children:ID` of each of them has the task. Parents bear a flag, so the end of any other task asks for nothing.

-- Makes ready those of the children that waited for this one last. Parents hold back only the first attempt.
local function free(children, parent, news)
  for id, task in pairs(load_tasks(children)) do
    local key = prefix .. 'parents:' .. id
    local waited = redis.call('SREM', key, parent) == 1
    if waited and redis.call('SCARD', key) == 0 and task[STATE] == 'Q' and task[ATTEMPT] == 0 then
      local _, name = strings_of(task)
      make_due(id, name, task[RANK], task[POSITION], task[READY_AT])
      news[#news + 1] = id
    end
  end
  flush()
end

-- To be called once the tasks that have ended are written.
local function free_children(ids, tasks, news)
  for _, id in ipairs(ids) do
    if tasks[id][FLAGS] >= PARENT then
      local key, children = prefix .. 'children:' .. id, nil
      repeat
        children = redis.call('SPOP', key, LARGEST_UNPACK)
        free(children, id, news)
      until #children < LARGEST_UNPACK
    end
  end
end
