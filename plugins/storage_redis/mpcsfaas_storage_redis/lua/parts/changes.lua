-- Needs records.

-- What a hash has of some tasks, in order; false where it has nothing. No script is given more ids than Lua can pass.
local function read(hash, ids)
  if #ids == 0 then
    return {}
  end
  return redis.call('HMGET', prefix .. hash, unpack(ids))
end

-- Tasks by their ids; nil for those that are unknown.
local function load_tasks(ids)
  local tasks = {}
  for index, record in ipairs(read('tasks', ids)) do
    tasks[ids[index]] = record and parse(record) or nil
  end
  return tasks
end

-- Changes of hashes and sorted sets are collected, and made by one command for each.
local writes, deletions, additions, removals, queues = {}, {}, {}, {}, {}

local function append(lists, key, one, other)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  local last = #list
  list[last + 1], list[last + 2] = one, other
end

local function write(hash, id, value)
  append(writes, hash, id, value)
end

local function delete(hash, id)
  append(deletions, hash, id)
end

local function add(key, score, member)
  append(additions, key, score, member)
end

local function remove(key, member)
  append(removals, key, member)
end

-- Gives the record.
local function save(id, task)
  local record = pack(task)
  write('tasks', id, record)
  return record
end

local function call_in_parts(command, key, list)
  for first = 1, #list, LARGEST_UNPACK do
    redis.call(command, prefix .. key, unpack(list, first, math.min(first + LARGEST_UNPACK - 1, #list)))
  end
end

local function call_for_each(command, lists)
  for key, list in pairs(lists) do
    call_in_parts(command, key, list)
  end
end

local function flush()
  call_for_each('HDEL', deletions)
  call_for_each('ZREM', removals)
  call_for_each('HSET', writes)
  call_for_each('ZADD', additions)
  for name in pairs(queues) do
    redis.call('SADD', prefix .. 'queues', name)
  end
  writes, deletions, additions, removals, queues = {}, {}, {}, {}, {}
end

-- A moment as a score. Writing a number is dear, and most are the same.
local moments = {}
local function after(seconds)
  local moment = moments[seconds]
  if not moment then
    moment = string.format('%.17g', now + seconds)
    moments[seconds] = moment
  end
  return moment
end
