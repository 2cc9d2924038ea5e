-- parts: records changes owners queue attempts
-- dispatcher, limit, lease, the sets of labels on offer as JSON.
-- Gives 1 if there may be more within the limit, else 0; then id, record and payload of each attempt.
local dispatcher, limit, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local offers = cjson.decode(ARGV[5])
local queue_of, members, reply = {}, {}, { 0 }
local bounds, running = {}, {} -- of queues of tasks with a quota; by owner

local function is_offered(labels)
  for _, offer in ipairs(offers) do
    local has, all = {}, true
    for _, label in ipairs(offer) do
      has[label] = true
    end
    for _, label in ipairs(labels) do
      all = all and has[label]
    end
    if all then
      return true
    end
  end
  return false
end

local function read_running(owner)
  return tonumber(redis.call('HGET', prefix .. 'owner:' .. owner, 'running')) or 0
end

-- The labels of the tasks in a queue; and what there is room for, if they have a quota.
local function read_queue(name)
  local labels = cjson.decode(name)
  if type(labels[1]) ~= 'table' then
    return labels, limit
  end
  local owner, max_running = labels[2], labels[3] or math.huge
  bounds[name] = { owner, max_running }
  running[owner] = running[owner] or read_running(owner)
  return labels[1], math.min(limit, max_running - running[owner])
end

-- Those of the members, in the order of claims, that may start one after the other.
local function within_bounds()
  local kept = {}
  for _, member in ipairs(members) do
    local bound = bounds[queue_of[member]]
    local owner = bound and bound[1]
    if not bound or running[owner] < bound[2] then
      kept[#kept + 1] = member
      if bound then
        running[owner] = running[owner] + 1
      end
    end
    if #kept == limit then
      break
    end
  end
  return kept
end

local function hold_queues()
  for name, bound in pairs(bounds) do
    if read_running(bound[1]) >= bound[2] then
      redis.call('SREM', prefix .. 'queues', name)
      redis.call('SADD', prefix .. 'held:' .. bound[1], name)
    end
  end
end

-- By priority, then position: as numbers, since Lua compares strings by the server's locale.
local function is_before(one, other)
  local priority, position = struct.unpack('>I5I6', one)
  local other_priority, other_position = struct.unpack('>I5I6', other)
  if priority ~= other_priority then
    return priority < other_priority
  end
  return position < other_position
end

if end_delays() then
  return { 1 }
end
local offered = 0
local names = redis.call('SMEMBERS', prefix .. 'queues')
names[#names + 1] = PLAIN
for _, name in ipairs(names) do
  local labels, room = read_queue(name)
  if room > 0 and is_offered(labels) then
    local first = redis.call('ZRANGE', prefix .. 'ready:' .. name, 0, room - 1)
    if #first > 0 then
      offered = offered + 1
    elseif name ~= PLAIN then
      redis.call('SREM', prefix .. 'queues', name)
    end
    for _, member in ipairs(first) do
      members[#members + 1], queue_of[member] = member, name
    end
  end
end
if offered > 1 then
  table.sort(members, is_before)
end
if next(bounds) then
  members = within_bounds()
end

local ids, started, records, size = {}, {}, {}, 0
for index = 1, math.min(limit, #members) do
  ids[index] = id_of_member(members[index])
end
local tasks = load_tasks(ids)
for index, id in ipairs(ids) do
  if size > LARGEST_REPLY then
    reply[1] = 1
    break
  end
  local member, task = members[index], tasks[id]
  remove('ready:' .. queue_of[member], member)
  if task then
    leave_queued(id, task)
    size = size + task[PAYLOAD_SIZE]
    started[#started + 1], records[#records + 1] = id, start(id, task, dispatcher, lease)
  end
end
flush()
settle_owners({})
hold_queues()
tell_attempts(reply, started, records)
return reply
