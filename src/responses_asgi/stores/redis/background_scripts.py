"""What Redis does in one step for event logs and leases; see `scripts` for the records.

1. A log is a stream whose entries are named `1-NUMBER`, so that Redis itself keeps them in order and looks up
   where a reader goes on. `2-0` is the end: Redis accepts nothing behind it.
   Source: https://redis.io/docs/latest/develop/data-types/streams/
2. Each append is told on a channel, as twice the number of the last event, plus one when the log has ended.
   That is done first: Redis may refuse it, by its access rules, and then nothing is written.
3. Time is Redis's. Epochs are its milliseconds, or one more than the last: they grow even when Redis has
   forgotten the last, so that nobody who held a lease before that can write again.
"""

from __future__ import annotations

from responses_asgi.stores.redis.scripts import Script

__all__ = ["APPEND", "CLAIM", "EXPIRE", "EXPIRED", "READ", "RELEASE", "RENEW_LEASE"]

# KEYS: what is known of the log, its stream. ARGV: epoch, '1' if it ends, ttl in milliseconds, channel, then
# number and data of each event.
APPEND = Script(
    """
local known = redis.call('HMGET', KEYS[1], 'epoch', 'last', 'ended')
local epoch, last, ended = tonumber(ARGV[1]), tonumber(known[2] or -1), known[3] == '1'
local at = 5
while ARGV[at] and tonumber(ARGV[at]) <= last do at = at + 2 end
if epoch < tonumber(known[1] or epoch) or (ended and ARGV[at]) then return false end
if ARGV[at] then last = ARGV[#ARGV - 1] end
local ends = ARGV[2] == '1' and not ended
if ends then ended = true end
if ARGV[at] or ends then redis.call('PUBLISH', ARGV[4], last * 2 + (ended and 1 or 0)) end
while ARGV[at] do
  redis.call('XADD', KEYS[2], '1-' .. ARGV[at], 'd', ARGV[at + 1])
  at = at + 2
end
if ends then redis.call('XADD', KEYS[2], '2-0', 'd', '') end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'last', last, 'ended', ended and '1' or '')
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return tonumber(last)
"""
)

# KEYS: what is known of the log, its stream. ARGV: the name to begin behind, how many entries. The answer is
# flat, name and data in turn, since clients read nested ones slowly.
READ = Script(
    """
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local answer = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  table.insert(answer, entry[1])
  table.insert(answer, entry[2][2])
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
