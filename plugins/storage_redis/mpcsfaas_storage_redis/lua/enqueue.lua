-- parts: records changes owners queue
-- limit, how many more of the batch follow, how many kinds of tasks there are, and what each kind is; how many bounds
-- there are, and of each the owner, its max_queued, and how many more of the batch follow that are the owner's; then id,
-- number of the kind, record and payload of each task. The record lacks its first two numbers.
-- Gives the number of unfinished tasks if there is no room, or that of the bound which leaves none, as text; else for
-- each task '' (accepted), '?' (its function is unknown), '^' (a parent is unknown) or the id of the task that it repeats.
local limit, following, number_of_kinds = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local KIND_SIZE, BOUND_SIZE, TASK_SIZE = 8, 3, 4
local kinds, ids, answers, accepted, known, firsts = {}, {}, {}, {}, {}, {}
local after_kinds = 5 + number_of_kinds * KIND_SIZE
local number_of_bounds = tonumber(ARGV[after_kinds])
local before = after_kinds + number_of_bounds * BOUND_SIZE -- place of the last argument before the first task

-- The ids; nil if there are none.
local function read_parents(after)
  if after == '' then
    return nil
  end
  local parents = {}
  for id in string.gmatch(after, '%S+') do
    parents[#parents + 1] = id
  end
  for number, record in ipairs(read('tasks', parents)) do
    known[parents[number]] = record
  end
  return parents
end

local function read_kind(first)
  local owner, queue_name, group, key, delay, rank, has_deadline, after = unpack(ARGV, first, first + KIND_SIZE - 1)
  return {
    queue = queue_name,
    index = 'function:' .. owner .. ':tasks',
    group = group ~= '' and 'group:' .. string.sub(group, 2),
    keys = prefix .. 'keys:' .. owner,
    key = key ~= '' and key,
    ready_at = now + tonumber(delay),
    rank = tonumber(rank),
    has_deadline = has_deadline == '1',
    owner = owner_of(queue_name),
    parents = read_parents(after),
    is_known = redis.call('ZSCORE', prefix .. 'functions', owner),
  }
end

-- '' for a task that is new.
local function judge(id, kind)
  if known[id] then
    return id
  end
  local place = kind.key and kind.keys .. ' ' .. kind.key
  local earlier = place and (firsts[place] or redis.call('HGET', kind.keys, kind.key))
  if earlier then
    return earlier
  end
  if not kind.is_known then
    return '?'
  end
  for _, parent in ipairs(kind.parents or {}) do
    if not known[parent] then
      return '^'
    end
  end
  known[id] = true
  if place then
    firsts[place] = id
  end
  return ''
end

local function accept(id, kind, record, payload, position)
  local place = string.format('%.0f', position)
  record = struct.pack('>I8d', position, kind.ready_at) .. record
  write('tasks', id, record)
  write('payloads', id, payload)
  add(kind.index, place, id)
  if kind.group then
    add(kind.group, place, id)
  end
  if kind.key then
    redis.call('HSET', kind.keys, kind.key, id)
  end
  local deadline_at = kind.has_deadline and parse(record)[DEADLINE_AT] or math.huge
  enter_queued(id, position, deadline_at)
  if not kind.parents then
    make_due(id, kind.queue, kind.rank, position, kind.ready_at)
  end
end

-- For each owner of accepted tasks, how many more are queued, and running.
local function number_wanted()
  local wanted = {}
  for _, index in ipairs(accepted) do
    local owner = kinds[tonumber(ARGV[index + 2])].owner
    if owner then
      local more = wanted[owner] or { 0, 0 }
      wanted[owner] = { more[1] + 1, 0 }
    end
  end
  return wanted
end

local function first_bound_without_room(wanted)
  for number = 1, number_of_bounds do
    local owner, max_queued, more = unpack(ARGV, after_kinds + number * BOUND_SIZE - 2, after_kinds + number * BOUND_SIZE)
    local new = (wanted[owner] and wanted[owner][1] or 0) + tonumber(more)
    local queued = tonumber(redis.call('HGET', prefix .. 'owner:' .. owner, 'queued')) or 0
    if new > 0 and queued + new > tonumber(max_queued) then
      return number
    end
  end
end

-- Has a new task wait for those of its parents that have not ended; false if all have. See parts/parents.lua.
local function hold(id, parents)
  redis.call('DEL', prefix .. 'parents:' .. id) -- of one that was forgotten, and had this id
  local is_held = false
  for parent, task in pairs(load_tasks(parents)) do
    if task[STATE] == 'Q' or task[STATE] == 'R' then
      is_held = true
      redis.call('SADD', prefix .. 'parents:' .. id, parent)
      redis.call('SADD', prefix .. 'children:' .. parent, id)
      if task[FLAGS] < PARENT then
        task[FLAGS] = task[FLAGS] + PARENT
        save(parent, task)
      end
    end
  end
  flush()
  return is_held
end

-- Once all are written, since those accepted here may be parents.
local function hold_children(position)
  for number, index in ipairs(accepted) do
    local id, kind = ARGV[index + 1], kinds[tonumber(ARGV[index + 2])]
    if kind.parents and not hold(id, kind.parents) then
      make_due(id, kind.queue, kind.rank, position + number, kind.ready_at)
    end
  end
  flush()
end

local has_owners = false
for number = 1, number_of_kinds do
  kinds[number] = read_kind(5 + (number - 1) * KIND_SIZE)
  has_owners = has_owners or kinds[number].owner
end
for index = before + 1, #ARGV, TASK_SIZE do
  ids[#ids + 1] = ARGV[index]
end
for number, record in ipairs(read('tasks', ids)) do
  known[ids[number]] = record
end
for number, id in ipairs(ids) do
  local index = before + (number - 1) * TASK_SIZE
  answers[number] = judge(id, kinds[tonumber(ARGV[index + 2])])
  if answers[number] == '' then
    accepted[#accepted + 1] = index
  end
end
if #accepted == 0 then
  return answers
end

-- As many tasks as have a position were accepted, as many as have a place in the feed have ended.
local counts = redis.call('MGET', prefix .. 'position', prefix .. 'sequence')
local position = tonumber(counts[1]) or 0
local unfinished = position - (tonumber(counts[2]) or 0)
if unfinished + #accepted + following > limit then
  return unfinished
end

if has_owners then
  local wanted = number_wanted()
  local bound = first_bound_without_room(wanted)
  if bound then
    return tostring(bound)
  end
  counted = wanted
end

redis.call('INCRBY', prefix .. 'position', #accepted)
local news = {}
for number, index in ipairs(accepted) do
  local id, kind, record, payload = unpack(ARGV, index + 1, index + TASK_SIZE)
  accept(id, kinds[tonumber(kind)], record, payload, position + number)
  news[number] = id
end
flush()
hold_children(position)
announce_work(settle_owners(news))
return answers
