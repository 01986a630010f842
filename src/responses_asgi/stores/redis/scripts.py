"""What Redis does in one step, in its own language: each method of the store is one script, and so one round
trip, and nobody sees half of it. Source: https://redis.io/docs/latest/develop/programmability/eval-intro/

1. A record and every list it stands in expire by themselves, a list not before what is in it.
   Entries whose record is gone are taken out when they are met, and a few are looked for at each new entry:
   a list that nobody reads does not grow without end.
2. A record's hash also holds the digests of its parent and names. An entry counts only if they agree with it.
3. A full memory does not stop a script half-way: Redis refuses its first write or none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1

__all__ = ["DELETE", "FIELDS", "FIND", "LIST", "PUT", "RENEW", "Script"]

FIELDS = (b"id", b"data", b"parent", b"names", b"ttl", b"version", b"position")
"""What the scripts that read answer with, in this order."""


@dataclass(frozen=True)
class Script:
    """A Lua script, and the name under which Redis remembers it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest)


_READ = """
local function read(key)
  return redis.call('HMGET', key, 'id', 'data', 'parent', 'names', 'ttl', 'version', 'position',
    'parent_digest', 'name_digests')
end
"""

_OUTLIVE = """
-- Let a key live for at least these milliseconds.
local function outlive(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
"""

_ENTER = """
-- Three others are looked at, by chance: where half of a list is dead, more is taken out than comes in.
local function enter(list, records, digest, position, ms)
  if redis.call('ZADD', list, position, digest) == 1 then
    for _, other in ipairs(redis.call('ZRANDMEMBER', list, 3)) do
      if redis.call('EXISTS', records .. other) == 0 then redis.call('ZREM', list, other) end
    end
  end
  outlive(list, ms)
end
"""

# KEYS: the records. ARGV: the version demanded or '', a mark of this call, then thirteen values per record.
# The mark: the connection may be lost after Redis has done its work, and the client then sends it again.
PUT = Script(
    _OUTLIVE
    + _ENTER
    + """
local seen = redis.call('HMGET', KEYS[1], 'version', 'mark')
if seen[2] == ARGV[2] then return 1 end
if ARGV[1] ~= '' and ARGV[1] ~= (seen[1] or '0') then return 0 end
for number, key in ipairs(KEYS) do
  local at = 2 + (number - 1) * 13
  local records, counter, index, parents, names, digest, parent_digest, name_digests, ms =
    ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5],
    string.sub(key, -32), ARGV[at + 6], ARGV[at + 7], tonumber(ARGV[at + 8])
  local old = redis.call('HMGET', key, 'position', 'version', 'parent_digest', 'name_digests')
  local position = old[1] or redis.call('INCR', counter)
  redis.call('HSET', key, 'id', ARGV[at + 9], 'data', ARGV[at + 10], 'parent', ARGV[at + 11],
    'names', ARGV[at + 12], 'ttl', ARGV[at + 13], 'version', (old[2] or 0) + 1, 'position', position,
    'parent_digest', parent_digest, 'name_digests', name_digests, 'ms', ms, 'mark', ARGV[2])
  redis.call('PEXPIRE', key, ms)
  outlive(counter, ms)
  enter(index, records, digest, position, ms)
  if old[3] and old[3] ~= parent_digest then redis.call('ZREM', parents .. old[3], digest) end
  enter(parents .. parent_digest, records, digest, position, ms)
  if old[4] and old[4] ~= name_digests then
    for name in string.gmatch(old[4], '%S+') do redis.call('ZREM', names .. name, digest) end
  end
  for name in string.gmatch(name_digests, '%S+') do
    enter(names .. name, records, digest, position, ms)
  end
end
return 1
"""
)

# KEYS: the record. ARGV: counter, index, parents, names.
RENEW = Script(
    _READ
    + _OUTLIVE
    + """
local found = read(KEYS[1])
if not found[1] then return false end
local ms = tonumber(redis.call('HGET', KEYS[1], 'ms'))
redis.call('PEXPIRE', KEYS[1], ms)
outlive(ARGV[1], ms)
outlive(ARGV[2], ms)
outlive(ARGV[3] .. found[8], ms)
for name in string.gmatch(found[9], '%S+') do outlive(ARGV[4] .. name, ms) end
return found
"""
)

# KEYS: the list of this name. ARGV: records, the name's digest.
FIND = Script(
    _READ
    + """
while true do
  local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0)[1]
  if not newest then return false end
  local found = read(ARGV[1] .. newest)
  if found[1] and string.find(found[9], ARGV[2], 1, true) then return found end
  redis.call('ZREM', KEYS[1], newest)
end
"""
)

# KEYS: the list. ARGV: records, the parent's digest or '', the position to begin behind or '', how many,
# '1' for descending.
LIST = Script(
    _READ
    + """
local parent, limit, descending = ARGV[2], tonumber(ARGV[4]), ARGV[5] == '1'
local command = descending and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
local from, to = descending and '+inf' or '-inf', descending and '-inf' or '+inf'
if ARGV[3] ~= '' then from = '(' .. ARGV[3] end
local answer = {}
while #answer < limit do
  local page = redis.call(command, KEYS[1], from, to, 'WITHSCORES', 'LIMIT', 0, limit - #answer)
  if #page == 0 then break end
  for at = 1, #page, 2 do
    local found = read(ARGV[1] .. page[at])
    if found[1] and (parent == '' or parent == found[8]) then
      table.insert(answer, found)
    else
      redis.call('ZREM', KEYS[1], page[at])
    end
  end
  from = '(' .. page[#page]
end
return answer
"""
)

# KEYS: the records. ARGV: index, parents, names.
DELETE = Script(
    """
local count = 0
for _, key in ipairs(KEYS) do
  local digest, old = string.sub(key, -32), redis.call('HMGET', key, 'parent_digest', 'name_digests')
  redis.call('ZREM', ARGV[1], digest)
  if old[1] then
    redis.call('ZREM', ARGV[2] .. old[1], digest)
    for name in string.gmatch(old[2], '%S+') do redis.call('ZREM', ARGV[3] .. name, digest) end
  end
  count = count + redis.call('DEL', key)
end
return count
"""
)
