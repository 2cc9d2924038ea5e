-- dispatcher, lease, then id and number of each attempt.
-- Gives how many of the pairs were looked at; then id, head, payload and state of each attempt that was taken over.
local dispatcher, lease = ARGV[2], tonumber(ARGV[3])
local reply, size, adopted = { 0 }, 0, {}
pass_when_full()
for index = 4, #ARGV, 2 do
  if size > LARGEST_REPLY then
    break
  end
  local id, number = ARGV[index], tonumber(ARGV[index + 1])
  local state = load_task(id)
  if state and state[STATE] == 'RUNNING' and state[ATTEMPT] == number and not adopted[id] then
    adopted[id] = true
    size = size + take_over(reply, id, state, dispatcher, lease)
  end
  reply[1] = reply[1] + 1
end
flush()
return reply
