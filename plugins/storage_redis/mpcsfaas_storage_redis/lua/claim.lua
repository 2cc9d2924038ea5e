-- parts: records changes queue attempts
-- dispatcher, limit, lease, the sets of labels on offer as JSON.
-- Gives 1 if there may be more within the limit, else 0; then id, record and payload of each attempt.
local dispatcher, limit, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local offers = cjson.decode(ARGV[5])
local queue_of, members, reply = {}, {}, { 0 }

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
  if is_offered(cjson.decode(name)) then
    local first = redis.call('ZRANGE', prefix .. 'ready:' .. name, 0, limit - 1)
    if #first > 0 then
      offered = offered + 1
    elseif name ~= PLAIN then
      redis.call('SREM', prefix .. 'queues', name)
    end
    for _, member in ipairs(first) do
      members[#members + 1], queue_of[member] = member, 'ready:' .. name
    end
  end
end
if offered > 1 then
  table.sort(members, is_before)
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
  remove(queue_of[member], member)
  if task then
    leave_queued(id, task)
    size = size + task[PAYLOAD_SIZE]
    started[#started + 1], records[#records + 1] = id, start(id, task, dispatcher, lease)
  end
end
flush()
tell_attempts(reply, started, records)
return reply
