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
        self.source: str | None = None
        """The kind of reasoning that is read."""
        self.ordinal: int | None = None
        """The number of the Chat call, once it is open."""
        self.annotations: dict[int, int] = {}
        """Index of the part -> how many of its annotations were said."""
        self.added: JSON | None = None
        """The item as it was announced."""
        self.done: JSON | None = None


class SaidItems:
    """The items of one response, by what their events say of them.

    1. An event finds its item by output_index, since some servers change the id between the events of one
       item; but the id decides when it is another item's, since others give every item the same index.
    2. Without index and id it is the last item of its kind that is not done.
    3. An item announced at the index of an announced one is a new one, unless it is the same.
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
        index, item_id = event.get("output_index"), event.get("item_id")
        item = self._at.get(index) if isinstance(index, int) else None
        if item_id and (item is None or item_id not in item.ids):
            item = next((known for known in self._items if item_id in known.ids), item)
        if item is None and index is None and not item_id:
            alike = (known for known in reversed(self._items) if known.kind == kind)
            item = next((known for known in alike if not known.done), None)
        if item is None:
            item = self._new(kind, index)
        if isinstance(item_id, str):
            item.ids.add(item_id)
        return item

    def announced(self, event: JSON, found: JSON) -> Item:
        """The item that `output_item.added` begins; `found` is the event's `item`."""
        index = event.get("output_index")
        item_id = found.get("id")
        if isinstance(index, int) and (before := self._at.get(index)) and before.added:
            same = item_id in before.ids if item_id else not before.done
            if not same:
                del self._at[index]
        item = self.of(event, found)
        item.added = found
        return item

    def of(self, event: JSON, found: JSON) -> Item:
        """The item that `output_item.done` speaks of; `found` is the event's `item`."""
        kind = str(found.get("type"))
        item = self.find({**event, "item_id": found.get("id") or event.get("item_id")}, kind)
        item.kind = kind
        return item

    def in_output(self, output: list[JSON]) -> list[Item]:
        """The item for each entry of the terminal output, which may name, order or count them otherwise.

        An entry is the item of its id; else, as many being left as were streamed of its type, the next one
        of them; else the one at its index; else an item that was not streamed.
        """
        matched: dict[int, Item] = {}
        for index, found in enumerate(output):
            item_id = found.get("id")
            alike = self._left(str(found.get("type")), matched)
            same = next((item for item in alike if item_id and item_id in item.ids), None)
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
