-- Gives the number of tasks that are queued, running, completed, failed and cancelled, that of functions, and the record
-- of the task that was queued first.
local function size(name)
  return redis.call('ZCARD', prefix .. name)
end

local function first(name)
  local found = redis.call('ZRANGE', prefix .. name, 0, 0, 'WITHSCORES')
  return found[1], tonumber(found[2]) or math.huge
end

local id, position = first('queued')
local dated_id, dated_position = first('queued:deadline')
if dated_position < position then
  id = dated_id
end
return {
  size('queued') + size('queued:deadline'),
  size('state:RUNNING'),
  size('state:COMPLETED'),
  size('state:FAILED'),
  size('state:CANCELLED'),
  size('functions'),
  id and redis.call('HGET', prefix .. 'tasks', id) or false,
}
