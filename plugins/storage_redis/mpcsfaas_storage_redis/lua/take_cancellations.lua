-- dispatcher, limit. Gives how many were looked at; then id and number of each attempt that was cancelled.
local dispatcher, limit = ARGV[2], tonumber(ARGV[3])
local ids = redis.call('SPOP', prefix .. 'cancelled:' .. dispatcher, limit)
local reply = { #ids }
for _, id in ipairs(ids) do
  local state = load_task(id)
  if state and state[STATE] == 'CANCELLED' and state[HOLDER] == dispatcher then
    reply[#reply + 1] = id
    reply[#reply + 1] = state[ATTEMPT]
  end
end
return reply
