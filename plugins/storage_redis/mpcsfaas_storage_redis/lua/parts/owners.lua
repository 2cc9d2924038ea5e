-- Needs records and changes. Tasks with a quota are counted for their owner. They wait in queues of their own, whose names
-- have labels, owner and `max_running`. A queue is held, which is to say that no claim looks at it, while so many run.
local counted = {} -- for each owner, how many tasks more are queued, and running

-- The owner of the tasks in a queue; false if they have no quota.
local function owner_of(name)
  return string.sub(name, 2, 2) == '[' and cjson.decode(name)[2]
end

local function count(task, queued, running)
  local _, name = strings_of(task)
  local owner = owner_of(name)
  local more = counted[owner] or { 0, 0 }
  counted[owner] = { more[1] + queued, more[2] + running }
end

-- Held queues of an owner are so no longer. The first task of each is news.
local function release(owner, news)
  for _, name in ipairs(redis.call('SPOP', prefix .. 'held:' .. owner, SLICE)) do
    local first = redis.call('ZRANGE', prefix .. 'ready:' .. name, 0, 0)[1]
    if first then
      redis.call('SADD', prefix .. 'queues', name)
      news[#news + 1] = string.sub(first, 12)
    end
  end
end

-- Writes what was counted, after everything else. Gives the news.
local function settle_owners(news)
  for owner, more in pairs(counted) do
    local key = prefix .. 'owner:' .. owner
    local queued = redis.call('HINCRBY', key, 'queued', more[1])
    local running = redis.call('HINCRBY', key, 'running', more[2])
    if more[2] < 0 then
      release(owner, news)
    end
    if queued + running == 0 then
      redis.call('DEL', key)
    end
  end
  return news
end
