-- Below which position, how many, how many to look at; state, function and group to check (each may be empty); then the
-- names of the sorted sets that have the candidates. Newest first.
-- Gives the position to continue below, 0 at the end; then id, head, state, failure and history of each task.
local before, limit, scan = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local state_name, function_id, group = ARGV[5], ARGV[6], ARGV[7]
local candidates, reply, is_cut = {}, { '0' }, false

for index = 8, #ARGV do
  local found = redis.call('ZREVRANGEBYSCORE', prefix .. ARGV[index], before, '-inf', 'WITHSCORES', 'LIMIT', 0, scan)
  is_cut = is_cut or #found == 2 * scan
  for place = 1, #found, 2 do
    candidates[#candidates + 1] = { id = found[place], position = tonumber(found[place + 1]) }
  end
end
table.sort(candidates, function(one, other)
  return one.position > other.position
end)

local function matches(state, head)
  return (state_name == '' or state_name == state[STATE])
    and (function_id == '' or function_id == head[FUNCTION])
    and (group == '' or group == head[OPTIONS].group)
end

local number = 0
for place, candidate in ipairs(candidates) do
  local task = redis.call('HMGET', task_key(candidate.id), 'head', 'state', 'failure', 'history')
  if task[2] and matches(cmsgpack.unpack(task[2]), cmsgpack.unpack(task[1])) then
    number = number + 1
    local last = #reply
    reply[last + 1], reply[last + 2], reply[last + 3] = candidate.id, task[1], task[2]
    reply[last + 4], reply[last + 5] = task[3], task[4]
  end
  if number == limit or place == scan then
    if is_cut or place < #candidates then
      reply[1] = string.format('%.0f', candidate.position)
    end
    break
  end
end
return reply
