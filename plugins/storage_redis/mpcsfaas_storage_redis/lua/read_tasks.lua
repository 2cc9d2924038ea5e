-- How many hashes, their names, then ids. Gives for each hash what it has of every id, all of one moment.
-- No transaction does: a server that is out of memory refuses to queue its commands, though they only read.
local hashes, reply = tonumber(ARGV[2]), {}
for index = 3, 2 + hashes do
  reply[#reply + 1] = redis.call('HMGET', prefix .. ARGV[index], unpack(ARGV, 3 + hashes))
end
return reply
