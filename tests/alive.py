"""Which objects of some classes are alive: what a finished piece of work must not leave behind."""

from __future__ import annotations

import gc


def alive(*kinds: type) -> list[object]:
    """All objects of these classes; with the fixture `young_heap`, only those that the test itself made."""
    gc.collect()
    return [found for found in gc.get_objects() if issubclass(type(found), kinds)]
