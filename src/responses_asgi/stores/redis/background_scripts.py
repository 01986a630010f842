"""What Redis does in one step for event logs and leases; see `scripts` for the records.

1. A log is a stream. An entry has the events of one append, packed, and is named `1-NUMBER` by the last of
   them, so that Redis itself keeps them in order and looks up where a reader goes on. Its field says how many
   events it has. `2-0` is the end: Redis accepts nothing behind it.
   Source: https://redis.io/docs/latest/develop/data-types/streams/
2. Each append is told on a channel with the stream's name, as twice the number of the last event, plus one
   when the log has ended. That is done first: Redis may refuse it, by its access rules, and then nothing is
   written.
3. Time is Redis's. Epochs are its milliseconds, or one more than the last: they grow even when Redis has
   forgotten the last, so that nobody who held a lease before that can write again.
"""

from __future__ import annotations

from responses_asgi.stores.redis.scripts import Script

__all__ = ["APPEND", "CLAIM", "EXPIRE", "EXPIRED", "READ", "RELEASE", "RENEW_LEASE"]

# KEYS: of each append, what is known of the log, and its stream. ARGV: a ttl in milliseconds; five words for
# each append: epoch, '1' if the log ends, the numbers of the first and of the last event, how many there are;
# then for each the packed events. Without events the last three are 0.
# The answers are the numbers of the last events there. When some of the events are there already and others
# are not, it is that number in a list, and nothing was written: the others are to be packed by themselves.
APPEND = Script(
    """
local answers, words = {}, string.gmatch(ARGV[2], '%S+')
local function append(log, stream, epoch, ends, first, newest, count, data)
  local known = redis.call('HMGET', log, 'epoch', 'last', 'ended')
  local last, ended = tonumber(known[2] or -1), known[3] == '1'
  local new = count ~= '0' and tonumber(newest) > last
  if tonumber(epoch) < tonumber(known[1] or epoch) or (ended and new) then return false end
  if new and tonumber(first) <= last then return {last} end
  if new then last = newest end
  ends = ends == '1' and not ended
  if ends then ended = true end
  if new or ends then redis.call('PUBLISH', stream, last * 2 + (ended and 1 or 0)) end
  if new then redis.call('XADD', stream, '1-' .. last, count, data) end
  if ends then redis.call('XADD', stream, '2-0', '0', '') end
  redis.call('HSET', log, 'epoch', epoch, 'last', last, 'ended', ended and '1' or '')
  redis.call('PEXPIRE', log, ARGV[1])
  redis.call('PEXPIRE', stream, ARGV[1])
  return tonumber(last)
end
for at = 1, #KEYS / 2 do
  local log, stream, data = KEYS[2 * at - 1], KEYS[2 * at], ARGV[2 + at]
  answers[at] = append(log, stream, words(), words(), words(), words(), words(), data)
end
return answers
"""
)

# KEYS: what is known of the log, its stream. ARGV: the name to begin behind, how many events are enough. The
# answer is flat, name and packed events in turn, since clients read nested ones slowly. Of the first entry
# only the last event may be wanted.
READ = Script(
    """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local answer, from, wanted = {}, ARGV[1], tonumber(ARGV[2])
while wanted > 0 do
  local page = redis.call('XRANGE', KEYS[2], '(' .. from, '+', 'COUNT', 20)
  for _, entry in ipairs(page) do
    from = entry[1]
    table.insert(answer, from)
    table.insert(answer, entry[2][2])
    wanted = wanted - (#answer == 2 and 1 or tonumber(entry[2][1]))
    if wanted <= 0 then break end
  end
  if #page < 20 then break end
end
return answer
"""
)

# KEYS: what is known of the log, its stream. ARGV: milliseconds.
EXPIRE = Script(
    """
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return 1
"""
)

_LEASES = """
local counter, times, epochs, ids, marks = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function forget(digest)
  redis.call('ZREM', times, digest)
  redis.call('HDEL', epochs, digest)
  redis.call('HDEL', ids, digest)
  redis.call('HDEL', marks, digest)
end
"""

# KEYS of these: the counter of epochs; of a kind the times of leases, their epochs, ids, and marks.

# ARGV: digest, id, milliseconds, how long after its end a lease that nobody cares for is forgotten, a mark of
# this call: it is sent again when its answer was lost.
CLAIM = Script(
    _LEASES
    + """
local held = redis.call('ZSCORE', times, ARGV[1])
if held and tonumber(held) > now then
  return redis.call('HGET', marks, ARGV[1]) == ARGV[5] and tonumber(redis.call('HGET', epochs, ARGV[1]))
end
local abandoned = redis.call('ZRANGEBYSCORE', times, '-inf', now - ARGV[4], 'LIMIT', 0, 10)
for _, digest in ipairs(abandoned) do forget(digest) end
local epoch = math.max(tonumber(redis.call('GET', counter) or 0) + 1, now)
redis.call('SET', counter, string.format('%.0f', epoch))
redis.call('ZADD', times, now + ARGV[3], ARGV[1])
redis.call('HSET', epochs, ARGV[1], string.format('%.0f', epoch))
redis.call('HSET', ids, ARGV[1], ARGV[2])
redis.call('HSET', marks, ARGV[1], ARGV[5])
return epoch
"""
)

# ARGV: digest, epoch, milliseconds.
RENEW_LEASE = Script(
    _LEASES
    + """
if redis.call('HGET', epochs, ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZADD', times, now + ARGV[3], ARGV[1])
return 1
"""
)

# ARGV: digest, epoch.
RELEASE = Script(
    _LEASES
    + """
if redis.call('HGET', epochs, ARGV[1]) ~= ARGV[2] then return 0 end
forget(ARGV[1])
return 1
"""
)

# ARGV: how many.
EXPIRED = Script(
    _LEASES
    + """
local answer = {}
for _, digest in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  table.insert(answer, redis.call('HGET', ids, digest))
end
return answer
"""
)
