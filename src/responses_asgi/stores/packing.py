"""Events that were appended together, as one value: each by itself would cost a store several times more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from struct import calcsize, pack, unpack_from

from responses_asgi.stores.event_log import LoggedEvent

__all__ = ["packed", "unpacked"]

# How many there are; then the numbers of all, the lengths of all, and the data of all.
_COUNT = ">I"
_TABLE = ">{0}Q{0}Q"


def packed(events: Sequence[LoggedEvent]) -> bytes:
    """The events as bytes.

    >>> unpacked(packed([LoggedEvent(4, b"four"), LoggedEvent(7, b"seven")]), after=4)
    [LoggedEvent(number=7, data=b'seven')]
    """
    count = len(events)
    numbers, data = zip(*events, strict=True) if events else ((), ())
    table = pack(_TABLE.format(count), *numbers, *map(len, data))
    return b"".join((pack(_COUNT, count), table, *data))


def unpacked(value: bytes, after: int = -1) -> list[LoggedEvent]:
    """The events that were packed whose number is above `after`."""
    (count,) = unpack_from(_COUNT, value)
    at = calcsize(_COUNT)
    table = _TABLE.format(count)
    each = unpack_from(table, value, at)
    places = accumulate(each[count:], initial=at + calcsize(table))
    return [
        LoggedEvent(number, value[begin:end])
        for number, (begin, end) in zip(each, pairwise(places), strict=False)
        if number > after
    ]
