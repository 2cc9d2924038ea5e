-- limit. Forgets up to so many tasks that expired long enough ago, then expires up to so many. Gives how many expired.
local limit = tonumber(ARGV[2])

local function due(key)
  return redis.call('ZRANGEBYSCORE', prefix .. key, '-inf', now, 'LIMIT', 0, limit)
end

local function forget(id)
  local state, head = load_task(id)
  remove('tombstones', id)
  if not state then
    return
  end
  local options = head[OPTIONS]
  remove('state:' .. state[STATE], id)
  remove('function:' .. head[FUNCTION] .. ':tasks', id)
  if options.group then
    remove('group:' .. options.group, id)
  end
  if options.idempotency_key then
    redis.call('HDEL', prefix .. 'keys:' .. head[FUNCTION], options.idempotency_key)
  end
  redis.call('DEL', task_key(id))
end

local function leave_feed(state, group)
  local entry = string.format('%.0f-0', state[SEQUENCE])
  redis.call('XDEL', prefix .. 'feed', entry)
  if group then
    local key = prefix .. 'feed:' .. group
    redis.call('XDEL', key, entry)
    if redis.call('XLEN', key) == 0 then
      redis.call('DEL', key)
    end
  end
end

local function expire(id)
  local state, head = load_task(id)
  remove('expiry', id)
  if not state then
    return
  end
  leave_feed(state, head[OPTIONS].group)
  state[EXPIRED], state[HOLDER] = true, ''
  redis.call('HDEL', task_key(id), 'payload', 'value', 'failure', 'history', 'logs')
  save_state(id, state)
  add('tombstones', now + head[TTL], id)
end

pass_when_full()
for _, id in ipairs(due('tombstones')) do
  forget(id)
end
local expired = due('expiry')
for _, id in ipairs(expired) do
  expire(id)
end
flush()
return #expired
