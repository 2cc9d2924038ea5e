-- dispatcher, limit, lease, the sets of labels on offer as JSON.
-- Gives 1 if there may be more within the limit, else 0; then id, head, payload and state of each attempt.
local dispatcher, limit, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local offers = cjson.decode(ARGV[5])
local owner, members, reply = {}, {}, { 0 }

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
pass_when_full()
local offered = 0
for _, name in ipairs(redis.call('SMEMBERS', prefix .. 'queues')) do
  if is_offered(cjson.decode(name)) then
    local first = redis.call('ZRANGE', prefix .. 'ready:' .. name, 0, limit - 1)
    if #first == 0 then
      redis.call('SREM', prefix .. 'queues', name)
    else
      offered = offered + 1
    end
    for _, member in ipairs(first) do
      members[#members + 1], owner[member] = member, name
    end
  end
end
if offered > 1 then
  table.sort(members, is_before)
end

local size = 0
for index = 1, math.min(limit, #members) do
  if size > LARGEST_REPLY then
    reply[1] = 1
    break
  end
  local member = members[index]
  remove('ready:' .. owner[member], member)
  size = size + start(reply, id_of_member(member), dispatcher, lease)
end
flush()
return reply
