"""How the keys in Redis are named: `PREFIX:{OWNER}:LETTER:KIND[:DIGEST]`.

| letter | type       | what it holds                                                       |
| ------ | ---------- | ------------------------------------------------------------------- |
| r      | hash       | a record, under the digest of its id                                |
| c      | string     | the last position given to a record of this kind and owner          |
| i      | sorted set | the digests of all records of this kind and owner, by position      |
| p      | sorted set | those that belong to a parent, under the digest of the parent's id  |
| n      | sorted set | those that have a name, under the digest of the name                |

1. Owners, ids and names appear as digests: whatever clients write, a key stays short and without surprises.
2. The braces make the owner the hash tag of a cluster: all keys of one owner lie in one slot, and a script
   may touch them together. Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
"""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["Space", "digest", "encoded"]


def encoded(text: str) -> bytes:
    """UTF-8 that also takes the lone surrogates which JSON lets clients write."""
    return text.encode("utf-8", "surrogatepass")


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
