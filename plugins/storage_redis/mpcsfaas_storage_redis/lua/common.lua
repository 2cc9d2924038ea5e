-- Stands before every script. KEYS[1] is what all keys begin with; its hash tag puts them into one slot of a cluster.
-- ARGV[1] is the time, for tests; empty means the server's own.
local prefix = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1e6
end

-- Where what stands in the packed array 'state' of a task. No place is ever nil. records.py knows the same.
local STATE, ATTEMPT, POSITION, HOLDER, FAILURES, LOSSES = 1, 2, 3, 4, 5, 6
local CLAIMED_AT, READY_AT, FINISHED_AT, SEQUENCE, EXPIRED = 7, 8, 9, 10, 11
-- And in its packed array 'head', which never changes.
local FUNCTION, CREATED_AT, QUEUE, DEADLINE_AT, TTL, OPTIONS = 1, 3, 4, 5, 6, 7

local SLICE = 500 -- tasks that one script may move beside what it was asked for
local LARGEST_REPLY = 4 * 1024 * 1024 -- bytes of payload after which a claim ends
local LARGEST_UNPACK = 4000 -- Lua passes no more than 8000 arguments

local function task_key(id)
  return prefix .. 'task:' .. id
end

-- A server without memory refuses a script at its first write, unless that write can only free memory. What was
-- accepted must be able to end, so every script but those that accept begins with this.
local function pass_when_full()
  redis.call('DEL', prefix .. 'nothing')
end

local function load_task(id)
  local values = redis.call('HMGET', task_key(id), 'state', 'head')
  if values[1] then
    return cmsgpack.unpack(values[1]), cmsgpack.unpack(values[2])
  end
end

local function save_state(id, state)
  redis.call('HSET', task_key(id), 'state', cmsgpack.pack(state))
end

-- Changes of sorted sets are collected, and made by one command for each set.
local additions, removals, queues = {}, {}, {}
local sequence -- the last place in the feed that was given, once it is known

local function list_of(lists, key)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  return list
end

local function add(key, score, member)
  local list = list_of(additions, key)
  local last = #list
  list[last + 1], list[last + 2] = score, member
end

local function remove(key, member)
  local list = list_of(removals, key)
  list[#list + 1] = member
end

local function call_for_each(command, lists)
  for key, list in pairs(lists) do
    for first = 1, #list, LARGEST_UNPACK do
      redis.call(command, prefix .. key, unpack(list, first, math.min(first + LARGEST_UNPACK - 1, #list)))
    end
  end
end

local function flush()
  call_for_each('ZREM', removals)
  call_for_each('ZADD', additions)
  for name in pairs(queues) do
    redis.call('SADD', prefix .. 'queues', name)
  end
  if sequence then
    redis.call('SET', prefix .. 'sequence', string.format('%.0f', sequence))
  end
  additions, removals, queues = {}, {}, {}
end

-- Wake-ups are hints: one that may not be sent is no error.
local function publish(channel, ids)
  if #ids > 0 then
    redis.pcall('PUBLISH', channel, table.concat(ids, ' '))
  end
end

-- There may be something new for those who wait for work.
local function announce_work(ids)
  if #ids > 0 then
    redis.call('INCR', prefix .. 'work')
    publish('tasks', ids)
  end
end

-- Ready tasks are members of equal score, so Redis keeps them in the order of their bytes: priority, then acceptance.
local function ready_member(id, state, head)
  local priority = math.max(-2 ^ 38, math.min(head[OPTIONS].priority or 0, 2 ^ 38))
  return struct.pack('>I5I6', 2 ^ 38 - priority, state[POSITION]) .. id
end

local function id_of_member(member)
  return string.sub(member, 12)
end

local function make_ready(id, state, head)
  add('ready:' .. head[QUEUE], 0, ready_member(id, state, head))
  queues[head[QUEUE]] = true
end

local function queue(id, state, head)
  if head[DEADLINE_AT] then
    add('queued:deadline', state[POSITION], id)
    add('deadlines', head[DEADLINE_AT], id)
  else
    add('queued', state[POSITION], id)
  end
  if state[READY_AT] > now then
    add('delayed', state[READY_AT], id)
  else
    make_ready(id, state, head)
  end
end

local function leave_queued(id)
  remove('queued', id)
  remove('queued:deadline', id)
  remove('deadlines', id)
end

local function unqueue(id, state, head)
  leave_queued(id)
  remove('delayed', id)
  remove('ready:' .. head[QUEUE], ready_member(id, state, head))
end

-- Makes ready what was delayed until now; true if there may be more.
local function end_delays()
  local due = redis.call('ZRANGEBYSCORE', prefix .. 'delayed', '-inf', now, 'LIMIT', 0, SLICE)
  if #due == 0 then
    return false
  end
  pass_when_full()
  for _, id in ipairs(due) do
    local state, head = load_task(id)
    remove('delayed', id)
    if state then
      make_ready(id, state, head)
    end
  end
  flush()
  announce_work(due)
  return #due == SLICE
end

-- QUEUED to RUNNING; puts the attempt at the end of `reply`, and gives the size of its payload.
local function start(reply, id, dispatcher, lease)
  local task = redis.call('HMGET', task_key(id), 'head', 'payload', 'state')
  leave_queued(id)
  if not task[3] then
    return 0
  end
  local state = cmsgpack.unpack(task[3])
  state[STATE], state[ATTEMPT], state[HOLDER], state[CLAIMED_AT] = 'RUNNING', state[ATTEMPT] + 1, dispatcher, now
  local packed = cmsgpack.pack(state)
  redis.call('HSET', task_key(id), 'state', packed)
  add('state:RUNNING', state[POSITION], id)
  add('leases', now + lease, id)
  local last = #reply
  reply[last + 1], reply[last + 2], reply[last + 3], reply[last + 4] = id, task[1], task[2], packed
  return #task[2]
end

-- Changes the holder of an attempt that runs; puts it at the end of `reply`, and gives the size of its payload.
local function take_over(reply, id, state, dispatcher, lease)
  state[HOLDER] = dispatcher
  local packed = cmsgpack.pack(state)
  redis.call('HSET', task_key(id), 'state', packed)
  add('leases', now + lease, id)
  local task = redis.call('HMGET', task_key(id), 'head', 'payload')
  local last = #reply
  reply[last + 1], reply[last + 2], reply[last + 3], reply[last + 4] = id, task[1], task[2], packed
  return #task[2]
end

-- Reaches a terminal state, and a place in the feed. Saving the state is left to the caller.
local function finish_task(id, state, head, to)
  local group = head[OPTIONS].group
  sequence = (sequence or tonumber(redis.call('GET', prefix .. 'sequence')) or 0) + 1
  state[STATE], state[FINISHED_AT], state[SEQUENCE] = to, now, sequence
  local entry = string.format('%.0f-0', sequence)
  if group then
    redis.call('XADD', prefix .. 'feed', entry, 'task', id, 'state', to, 'group', group)
    redis.call('XADD', prefix .. 'feed:' .. group, entry, 'task', id, 'state', to)
  else
    redis.call('XADD', prefix .. 'feed', entry, 'task', id, 'state', to)
  end
  add('state:' .. to, state[POSITION], id)
  add('expiry', now + head[TTL], id)
end
