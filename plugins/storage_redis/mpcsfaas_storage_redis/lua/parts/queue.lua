-- Needs records, changes and owners.

-- Ready tasks are members of equal score, so Redis keeps them in the order of their bytes: priority, then acceptance.
local function ready_member(id, rank, position)
  return struct.pack('>I5I6', rank, position) .. id
end

local function id_of_member(member)
  return string.sub(member, 12)
end

local PLAIN = '[]' -- the queue of tasks without labels, which is always looked at

local function make_ready(id, name, rank, position)
  add('ready:' .. name, '0', ready_member(id, rank, position))
  if name ~= PLAIN then
    queues[name] = true
  end
end

local function enter_queued(id, position, deadline_at)
  if deadline_at < math.huge then
    add('queued:deadline', position, id)
    add('deadlines', deadline_at, id)
  else
    add('queued', position, id)
  end
end

local function make_due(id, name, rank, position, ready_at)
  if ready_at > now then
    add('delayed', ready_at, id)
  else
    make_ready(id, name, rank, position)
  end
end

local function leave_queued(id, task)
  if is_owned(task) then
    count(task, -1, 0)
  end
  if task[DEADLINE_AT] < math.huge then
    remove('queued:deadline', id)
    remove('deadlines', id)
  else
    remove('queued', id)
  end
end

local function unqueue(id, task)
  local _, name = strings_of(task)
  leave_queued(id, task)
  remove('ready:' .. name, ready_member(id, task[RANK], task[POSITION]))
  remove('delayed', id)
end

-- Makes ready what was delayed until now; true if there may be more.
local function end_delays()
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'delayed', '-inf', now, 'LIMIT', 0, SLICE)
  if #due == 0 then
    return false
  end
  pass_when_full()
  local tasks = load_tasks(due)
  for _, id in ipairs(due) do
    local task = tasks[id]
    remove('delayed', id)
    if task then
      local _, name = strings_of(task)
      make_ready(id, name, task[RANK], task[POSITION])
    end
  end
  flush()
  announce_work(due)
  return #due == SLICE
end
