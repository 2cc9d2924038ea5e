-- parts: records changes
-- limit. Of up to so many ended tasks, expires those that ended long enough ago, and forgets those that expired long
-- enough ago. Gives how many expired, and 1 if there may be more to do, else 0.
local limit, expired, entries = tonumber(ARGV[2]), 0, {}

local function forget(id, task)
  local owner, _, group, key = strings_of(task)
  remove('expiry', id)
  remove('state:' .. NAMES[task[STATE]], id)
  remove('function:' .. owner .. ':tasks', id)
  if group then
    remove('group:' .. group, id)
  end
  if key then
    redis.call('HDEL', prefix .. 'keys:' .. owner, key)
  end
  delete('tasks', id)
end

local function leave_feed(task)
  local entry = string.format('%.0f-0', task[SEQUENCE])
  entries[#entries + 1] = entry
  local group = group_of(task)
  if group then
    local key = prefix .. 'feed:' .. group
    redis.call('XDEL', key, entry)
    if redis.call('XLEN', key) == 0 then
      redis.call('DEL', key)
    end
  end
end

local function expire(id, task)
  leave_feed(task)
  set_holder(task, '')
  task[EXPIRED] = 1
  delete('values', id)
  delete('histories', id)
  if task[STATE] == 'F' then
    delete('failures', id)
    delete('payloads', id)
  end
  if task[FLAGS] % OWNED == LOGS then
    delete('logs', id)
  end
  add('expiry', after(task[TTL]), id)
  save(id, task)
  expired = expired + 1
end

local due = redis.call('ZRANGEBYSCORE', prefix .. 'expiry', '-inf', now, 'LIMIT', 0, limit)
local tasks = load_tasks(due)
pass_when_full()
for _, id in ipairs(due) do
  local task = tasks[id]
  if not task then
    remove('expiry', id)
  elseif task[EXPIRED] == 1 then
    forget(id, task)
  else
    expire(id, task)
  end
end
call_in_parts('XDEL', 'feed', entries)
flush()
return { expired, #due == limit and 1 or 0 }
