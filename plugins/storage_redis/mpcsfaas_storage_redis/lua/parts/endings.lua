-- Needs records and changes.

-- Gives tasks that reached a terminal state their places in the feed, and saves them.
local function finish_tasks(ids, tasks)
  if #ids == 0 then
    return
  end
  local sequence = redis.call('INCRBY', prefix .. 'sequence', #ids) - #ids
  for number, id in ipairs(ids) do
    local task = tasks[id]
    local state, group, entry = NAMES[task[STATE]], group_of(task), string.format('%.0f-0', sequence + number)
    task[FINISHED_AT], task[SEQUENCE] = now, sequence + number
    if group then
      redis.call('XADD', prefix .. 'feed', entry, state, id, 'group', group)
      redis.call('XADD', prefix .. 'feed:' .. group, entry, state, id)
    else
      redis.call('XADD', prefix .. 'feed', entry, state, id)
    end
    add('state:' .. state, task[POSITION], id)
    add('expiry', after(task[TTL]), id)
    if state ~= 'FAILED' then -- whose tasks may be done again
      delete('payloads', id)
    end
    save(id, task)
  end
end

-- Tells those who follow the feed how tasks ended, so that they need not ask; unless that is much, and most of them want
-- none of it. `ended.py` reads it. The name of the database comes first, as the channel is that of the whole server.
local function announce_endings(ids, tasks, values, failures)
  if #ids == 0 then
    return
  end
  local message, size = { redis.call('GET', prefix .. 'name') or '' }, 0
  for _, id in ipairs(ids) do
    local task, value, failure = tasks[id], values[id] or '', failures[id] or ''
    local group, head = struct.unpack('>I4c0', task[TAIL]), string.sub(task[TAIL], -task[HEAD_SIZE])
    local last = #message
    message[last + 1] = struct.pack(
      '>I8dc1I4I4I4I4I4', task[SEQUENCE], now + task[TTL], task[STATE], #id, #group, #head, #value, #failure
    )
    message[last + 2], message[last + 3], message[last + 4] = id, group, head
    message[last + 5], message[last + 6] = value, failure
    size = size + #value + #failure
    if size > LARGEST_MESSAGE then
      message = {}
      break
    end
  end
  publish('results', table.concat(message))
end
