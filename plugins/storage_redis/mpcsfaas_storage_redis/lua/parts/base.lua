-- Stands before every script. KEYS[1] is what all keys begin with; its hash tag puts them into one slot of a cluster.
-- ARGV[1] is the time, for tests; empty means the server's own.
local prefix = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1e6
end

local SLICE = 500 -- tasks that one script may move beside what it was asked for
local LARGEST_REPLY = 4 * 1024 * 1024 -- bytes of payload after which a claim ends
local LARGEST_MESSAGE = 256 * 1024 -- bytes of results that everybody who follows is told
local LARGEST_UNPACK = 4000 -- Lua passes no more than 8000 arguments

-- A server without memory refuses a script at its first write, unless that write can only free memory. What was
-- accepted must be able to end, so a script that does not accept does this before it adds anything.
local function pass_when_full()
  redis.call('DEL', prefix .. 'nothing')
end

-- Wake-ups are hints: one that may not be sent is no error.
local function publish(channel, message)
  redis.pcall('PUBLISH', channel, message)
end

-- There may be something new for those who wait for work.
local function announce_work(ids)
  if #ids > 0 then
    redis.call('INCR', prefix .. 'work')
    publish('tasks', table.concat(ids, ' '))
  end
end
