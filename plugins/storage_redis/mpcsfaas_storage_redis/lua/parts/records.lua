-- What stands where in the record of a task, which records.py knows too. A task here is a table of the numbers, then the
-- holder, then the tail: strings, then the id, then the head. The id makes records differ where Lua looks at them when
-- it hashes them, which it does with every string; without it, those of a batch would collide.
local NUMBERS = '>I8 d c1 I4 I4 I4 d d B B I4 I4 I8 I8 d d d I4'
local POSITION, READY_AT, STATE, ATTEMPT, FAILURES, LOSSES, CLAIMED_AT, FINISHED_AT = 1, 2, 3, 4, 5, 6, 7, 8
local EXPIRED, FLAGS, PAYLOAD_SIZE, HEAD_SIZE, SEQUENCE, RANK = 9, 10, 11, 12, 13, 14
local CREATED_AT, DEADLINE_AT, TTL, HOLDER_SIZE, HOLDER, TAIL = 15, 16, 17, 18, 19, 20

-- Flags, of which a record has the sum.
local LOGS, OWNED, PARENT = 1, 2, 4

local NAMES = { Q = 'QUEUED', R = 'RUNNING', C = 'COMPLETED', F = 'FAILED', X = 'CANCELLED' }

local function parse(record)
  local task = { struct.unpack(NUMBERS, record) }
  local first = task[HOLDER]
  local tail = first + task[HOLDER_SIZE]
  task[HOLDER], task[TAIL] = string.sub(record, first, tail - 1), string.sub(record, tail)
  return task
end

local function pack(task)
  return struct.pack(NUMBERS, unpack(task, POSITION, HOLDER_SIZE)) .. task[HOLDER] .. task[TAIL]
end

-- Whether it has a quota, and so an owner.
local function is_owned(task)
  return task[FLAGS] % PARENT >= OWNED
end

local function set_holder(task, holder)
  task[HOLDER], task[HOLDER_SIZE] = holder, #holder
end

-- The strings. Of group and key, the first byte is left out, and nil means that there is none.
local function group_of(task)
  local group = struct.unpack('>I4c0', task[TAIL])
  return group ~= '' and string.sub(group, 2) or nil
end

local function strings_of(task)
  local group, owner, queue, key = struct.unpack('>I4c0 I4c0 I4c0 I4c0', task[TAIL])
  return owner, queue, group ~= '' and string.sub(group, 2) or nil, key ~= '' and key or nil
end
