-- parts: records changes
-- Below which position, how many, how many to look at; letter of the state and function to check (each may be empty);
-- then the names of the sorted sets that have the candidates. Newest first.
-- Gives the position to continue below, 0 at the end; then id, record, failure and history of each task.
local before, limit, scan = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local state, owner = ARGV[5], ARGV[6]
local candidates, ids, reply, is_cut = {}, {}, { '0' }, false

for index = 7, #ARGV do
  local found = redis.call('ZREVRANGEBYSCORE', prefix .. ARGV[index], before, '-inf', 'WITHSCORES', 'LIMIT', 0, scan)
  is_cut = is_cut or #found == 2 * scan
  for place = 1, #found, 2 do
    candidates[#candidates + 1] = { id = found[place], position = tonumber(found[place + 1]) }
  end
end
table.sort(candidates, function(one, other)
  return one.position > other.position
end)
for place = 1, math.min(scan, #candidates) do
  ids[place] = candidates[place].id
end

local function matches(task)
  return (state == '' or state == task[STATE]) and (owner == '' or owner == strings_of(task))
end

local chosen, chosen_records = {}, {}
for place, record in ipairs(read('tasks', ids)) do
  if record and matches(parse(record)) then
    chosen[#chosen + 1], chosen_records[#chosen + 1] = ids[place], record
  end
  if #chosen == limit or place == scan then
    if is_cut or place < #candidates then
      reply[1] = string.format('%.0f', candidates[place].position)
    end
    break
  end
end
local failures = read('failures', chosen)
for number, history in ipairs(read('histories', chosen)) do
  local last = #reply
  reply[last + 1], reply[last + 2] = chosen[number], chosen_records[number]
  reply[last + 3], reply[last + 4] = failures[number], history
end
return reply
