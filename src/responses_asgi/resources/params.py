"""What clients write into query strings, and how a mistake there is told.

A parameter that is given twice counts as it was given last. An object is written `metadata[key]=value`, with
or without percent-encoded brackets. Unknown parameters pass, and so does `include` in all its spellings:
nothing that was stored is kept back.
"""

from __future__ import annotations

from collections.abc import Iterable

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.pages import Order, Query
from responses_asgi.types.checks import wrong

__all__ = ["Params"]

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}

# More than any number that is meant has; Python refuses to read numbers of thousands of digits.
_MOST_DIGITS = 18


class Params:
    """The parameters of one query string, decoded, in their order.

    >>> params = Params([("metadata[team]", "blue"), ("limit", "5"), ("limit", "7")])
    >>> params.members("metadata"), params.page("desc").limit
    ({'team': 'blue'}, 7)
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = list(pairs)
        self._last = dict(self._pairs)

    def text(self, name: str) -> str | None:
        """The value; None when the parameter is missing or empty."""
        return self._last.get(name) or None

    def boolean(self, name: str) -> bool:
        """The value of a parameter that is false when it is missing. Raises InvalidRequestError."""
        given = self._last.get(name, "")
        if given.lower() not in BOOLEANS:
            raise wrong(name, "Input should be 'true' or 'false'", given)
        return BOOLEANS[given.lower()]

    def integer(self, name: str, *, least: int = 0, most: int | None = None) -> int | None:
        """The value, within these bounds; None when it is missing. Raises InvalidRequestError."""
        given = self._last.get(name)
        if given is None:
            return None
        digits = given.removeprefix("-")
        # `isdecimal` alone would let digits of every script pass.
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS):
            raise wrong(name, "Input should be an integer", given)
        number = int(given)
        if number < least:
            raise _out_of_range(name, f">= {least}", number, "integer_below_min_value")
        if most is not None and number > most:
            raise _out_of_range(name, f"<= {most}", number, "integer_above_max_value")
        return number

    def members(self, name: str) -> dict[str, str]:
        """The members of an object that is written `name[key]=value`."""
        start = f"{name}["
        return {
            key[len(start) : -1]: value
            for key, value in self._pairs
            if key.startswith(start) and key.endswith("]")
        }

    def page(self, default: Order) -> Query:
        """The page that `after`, `limit` and `order` ask for; `default` is the order when none is given.

        Raises InvalidRequestError.
        """
        orders: dict[str | None, Order] = {None: default, "asc": "asc", "desc": "desc"}
        given = self.text("order")
        if given not in orders:
            raise wrong("order", "Input should be 'asc' or 'desc'", given, "invalid_value")
        limit = self.integer("limit", least=1, most=MAX_LIMIT)
        after = self.text("after")
        return Query(after=after, limit=DEFAULT_LIMIT if limit is None else limit, order=orders[given])


def _out_of_range(name: str, expected: str, number: int, code: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"Invalid '{name}': expected a value {expected}, got {number}.", param=name, code=code
    )
