-- limit, how many more of the batch follow, then id, head and payload of each task.
-- Gives the number of unfinished tasks if there is no room; else for each task '' (accepted), '?' (its function is
-- unknown) or the id of the task that it repeats.
local limit, following = tonumber(ARGV[2]), tonumber(ARGV[3])
local answers, accepted, known, keys, functions = {}, {}, {}, {}, {}

local function earlier_by_key(key_set, key)
  return keys[key_set .. ' ' .. key] or redis.call('HGET', key_set, key)
end

local function is_function(id)
  if functions[id] == nil then
    functions[id] = redis.call('ZSCORE', prefix .. 'functions', id) ~= false
  end
  return functions[id]
end

local function judge(id, head)
  if known[id] or redis.call('EXISTS', task_key(id)) == 1 then
    return id
  end
  local key, key_set = head[OPTIONS].idempotency_key, prefix .. 'keys:' .. head[FUNCTION]
  local earlier = key and earlier_by_key(key_set, key)
  if earlier then
    return earlier
  end
  if not is_function(head[FUNCTION]) then
    return '?'
  end
  known[id] = true
  if key then
    keys[key_set .. ' ' .. key] = id
  end
  return ''
end

for index = 4, #ARGV, 3 do
  local id, head = ARGV[index], cmsgpack.unpack(ARGV[index + 1])
  local answer = judge(id, head)
  answers[#answers + 1] = answer
  if answer == '' then
    accepted[#accepted + 1] = { id = id, head = head, index = index }
  end
end
if #accepted == 0 then
  return answers
end

local unfinished = redis.call('ZCARD', prefix .. 'queued')
  + redis.call('ZCARD', prefix .. 'queued:deadline')
  + redis.call('ZCARD', prefix .. 'state:RUNNING')
if unfinished + #accepted + following > limit then
  return unfinished
end

local position = redis.call('INCRBY', prefix .. 'position', #accepted) - #accepted
local ids = {}
for number, task in ipairs(accepted) do
  local id, head = task.id, task.head
  local options = head[OPTIONS]
  local state = { 'QUEUED', 0, position + number, '', 0, 0, 0, now + (options.delay or 0), 0, 0, false }
  redis.call('HSET', task_key(id), 'state', cmsgpack.pack(state), 'head', ARGV[task.index + 1], 'payload', ARGV[task.index + 2])
  if options.idempotency_key then
    redis.call('HSET', prefix .. 'keys:' .. head[FUNCTION], options.idempotency_key, id)
  end
  add('function:' .. head[FUNCTION] .. ':tasks', state[POSITION], id)
  if options.group then
    add('group:' .. options.group, state[POSITION], id)
  end
  queue(id, state, head)
  ids[number] = id
end
flush()
announce_work(ids)
return answers
