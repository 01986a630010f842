"""How the keys in Redis are named.

Records: `PREFIX:{OWNER}:LETTER:KIND[:DIGEST]`

| letter | type       | what it holds                                                       |
| ------ | ---------- | ------------------------------------------------------------------- |
| r      | hash       | a record, under the digest of its id                                |
| c      | string     | the last position given to a record of this kind and owner          |
| i      | sorted set | the digests of all records of this kind and owner, by position      |
| p      | sorted set | those that belong to a parent, under the digest of the parent's id  |
| n      | sorted set | those that have a name, under the digest of the name                |

Event logs: `PREFIX:{DIGEST}:LETTER`, under the digest of the log's id

| letter | type       | what it holds                                                       |
| ------ | ---------- | ------------------------------------------------------------------- |
| l      | hash       | epoch, number of the last event, whether it has ended               |
| e      | stream     | the events, those of one append in one entry                        |
| e      | channel    | on which each append is told                                        |

Leases: `PREFIX:{leases}:LETTER:KIND`

| letter | type       | what it holds                                                       |
| ------ | ---------- | ------------------------------------------------------------------- |
| c      | string     | the last epoch, of all kinds                                        |
| t      | sorted set | the digests of ids by the time at which their lease ends            |
| e, i, m | hashes    | digest -> epoch, digest -> id, digest -> mark of the claim          |

1. Owners, ids and names appear as digests: whatever clients write, a key stays short and without surprises.
2. The braces make the owner the hash tag of a cluster: all keys of one owner lie in one slot, and a script
   may touch them together; so do those of a log, and all leases. Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

from hashlib import blake2b

from responses_asgi.stores.redis.values import encoded

__all__ = ["Space", "digest", "lease_keys", "log_keys"]


def digest(text: str) -> bytes:
    """32 characters that stand for a text of any length."""
    return blake2b(encoded(text), digest_size=16).hexdigest().encode()


class Space:
    """The keys of one kind and owner."""

    __slots__ = ("counter", "index", "names", "parents", "records")

    def __init__(self, prefix: bytes, kind: str, owner: str) -> None:
        base, name = b"%b:{%b}:" % (prefix, digest(owner)), encoded(kind)
        self.records = b"%br:%b:" % (base, name)
        self.counter = b"%bc:%b" % (base, name)
        self.index = b"%bi:%b" % (base, name)
        self.parents = b"%bp:%b:" % (base, name)
        self.names = b"%bn:%b:" % (base, name)

    def record(self, id: str) -> bytes:
        return self.records + digest(id)


def log_keys(prefix: bytes, id: str) -> tuple[bytes, bytes]:
    """The keys of a log: what is known of it, and its events. The second is its channel's name, too."""
    base = b"%b:{%b}:" % (prefix, digest(id))
    return base + b"l", base + b"e"


def lease_keys(prefix: bytes, kind: str) -> list[bytes]:
    """The keys of a kind of leases: the counter of all kinds, times, epochs, ids, marks."""
    base, name = b"%b:{leases}:" % prefix, encoded(kind)
    return [base + b"c", *(base + letter + b":" + name for letter in (b"t", b"e", b"i", b"m"))]
