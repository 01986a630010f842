"""What was already said of each output item of a Responses stream, however its events name the item."""

from __future__ import annotations

from responses_asgi.types.json import JSON

__all__ = ["Item", "SaidItems"]


class Item:
    """One output item on its way to a Chat client."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.ids: set[str] = set()
        self.said: dict[tuple[str, int], list[str]] = {}
        """(kind of text, index of its part) -> the pieces that were said."""
        self.starts: dict[int, int] = {}
        """Index of a message's part -> where in the Chat message its text begins, in characters."""
        self.source: str | None = None
        """The kind of reasoning that is read."""
        self.ordinal: int | None = None
        """The number of the Chat call, once it is open."""
        self.annotations: dict[int, int] = {}
        """Index of the part -> how many of its annotations were said."""
        self.added: JSON | None = None
        """The item as it was announced."""
        self.done: JSON | None = None

    def indices(self, home: str, count: int) -> list[int]:
        """The indices under which the parts of a finished list were said: some servers number them otherwise.

        >>> item = Item("message")
        >>> item.said[("content", 3)] = ["Hi"]
        >>> item.indices("content", 1)
        [3]
        """
        said = sorted(index for kind, index in self.said if kind in (home, "refusal"))
        return said if len(said) == count else list(range(count))


class SaidItems:
    """The items of one response, by what their events say of them.

    1. An event finds its item by output_index, since some servers change the id between the events of one
       item; but the id decides when it is another item's, since others give every item the same index. The id
       of a call may be its call_id.
    2. An event without an index and with an id that nobody knows is of the last item of its kind that is not
       done.
    3. An item announced at the index of an announced one, or of one of another kind, is a new one.
    """

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._at: dict[int, Item] = {}

    @property
    def done(self) -> list[JSON]:
        """The finished items, in order."""
        return [item.done for item in self._items if item.done]

    @property
    def only_announced(self) -> list[Item]:
        """Items of which nothing was said after they were announced."""
        return [item for item in self._items if item.added and not (item.done or item.said)]

    def find(self, event: JSON, kind: str) -> Item:
        """The item an event belongs to; one that was never announced begins here, as of this kind."""
        index = event.get("output_index")
        item = self._at.get(index) if isinstance(index, int) else None
        name = event.get("item_id")
        if item and isinstance(name, str) and name in item.ids:
            return item
        return self._named(event, _names(event), kind)

    def announced(self, event: JSON, found: JSON) -> Item:
        """The item that `output_item.added` begins; `found` is the event's `item`."""
        kind, names, index = str(found.get("type")), _names(event, found), event.get("output_index")
        before = self._at.get(index) if isinstance(index, int) else self._known_as(names)
        if before and before.added:
            before = before if (names & before.ids if names else not before.done) else None
        if before is None or before.kind != kind:
            before = self._new(kind, index)
        before.ids |= names
        before.added = found
        return before

    def of(self, event: JSON, found: JSON) -> Item:
        """The item that `output_item.done` speaks of; `found` is the event's `item`."""
        item = self._named(event, _names(event, found), str(found.get("type")))
        item.kind = str(found.get("type"))
        return item

    def _named(self, event: JSON, names: set[str], kind: str) -> Item:
        index = event.get("output_index")
        item = self._at.get(index) if isinstance(index, int) else None
        if item is None or not names & item.ids:
            item = self._known_as(names) or item
        if item and names and not names & item.ids and item.kind != kind:
            item = None
        if item is None and index is None:
            alike = (known for known in reversed(self._items) if known.kind == kind)
            item = next((known for known in alike if not known.done), None)
        if item is None:
            item = self._new(kind, index)
        item.ids |= names
        return item

    def _known_as(self, names: set[str]) -> Item | None:
        return next((known for known in self._items if names & known.ids), None)

    def in_output(self, output: list[JSON]) -> list[Item]:
        """The item for each entry of the terminal output, which may name, order or count them otherwise.

        An entry is the item of its id; else, as many being left as were streamed of its type, the next one
        of them; else the one at its index; else an item that was not streamed.
        """
        if self._in_order(output):
            return list(self._items)
        matched: dict[int, Item] = {}
        for index, found in enumerate(output):
            alike = self._left(str(found.get("type")), matched)
            same = next((item for item in alike if _names(found) & item.ids), None)
            if same is not None:
                matched[index] = same
        for kind in dict.fromkeys(str(found.get("type")) for found in output):
            alike = self._left(kind, matched)
            places = [
                i for i, found in enumerate(output) if i not in matched and str(found.get("type")) == kind
            ]
            if len(alike) == len(places):
                matched |= dict(zip(places, alike, strict=True))
            else:
                matched |= {i: self._at[i] for i in places if self._at.get(i) in alike}
        return [matched.get(index) or self._new(str(found.get("type"))) for index, found in enumerate(output)]

    def _in_order(self, output: list[JSON]) -> bool:
        """Whether each entry has the type and an id of the item in its place, as most servers list them."""
        return len(output) == len(self._items) and all(
            found.get("type") == item.kind and not item.ids.isdisjoint(_names(found))
            for item, found in zip(self._items, output, strict=True)
        )

    def _left(self, kind: str, matched: dict[int, Item]) -> list[Item]:
        """The items of a type that no entry was matched with."""
        taken = set(map(id, matched.values()))
        return [item for item in self._items if item.kind == kind and id(item) not in taken]

    def _new(self, kind: str, index: object = None) -> Item:
        item = Item(kind)
        self._items.append(item)
        if isinstance(index, int):
            self._at[index] = item
        return item


def _names(*told: JSON) -> set[str]:
    """The ids by which an event, or an item, speaks of an item."""
    given = [values[name] for values in told for name in ("item_id", "id", "call_id") if name in values]
    return {name for name in given if isinstance(name, str) and name}
