-- parts: records changes owners queue
-- Makes ready what was delayed until now. Gives a number that grows whenever there may be something new to claim or to
-- cancel, and the seconds until the first delayed task becomes ready, '' if there is none.
end_delays()
local first = redis.call('ZRANGE', prefix .. 'delayed', 0, 0, 'WITHSCORES')
local seconds = first[2] and string.format('%.6f', tonumber(first[2]) - now) or ''
return { redis.call('GET', prefix .. 'work') or '0', seconds }
