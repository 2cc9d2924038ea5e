-- dispatcher, lease, then id and number of each attempt. Gives the places, from 0, of those that are not held.
local dispatcher, lease = ARGV[2], tonumber(ARGV[3])
local lost = {}
pass_when_full()
for index = 4, #ARGV, 2 do
  local id, number = ARGV[index], tonumber(ARGV[index + 1])
  local state = load_task(id)
  if state and state[STATE] == 'RUNNING' and state[ATTEMPT] == number and state[HOLDER] == dispatcher then
    add('leases', now + lease, id)
  else
    lost[#lost + 1] = (index - 4) / 2
  end
end
flush()
return lost
