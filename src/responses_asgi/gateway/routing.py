"""Which upstream answers for a model: the table of a gateway.

A name is looked up exactly, then by the longest pattern, then as `*`, the default, which also takes requests
that name no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias, get_args

from responses_asgi.errors import ConfigurationError, InvalidRequestError
from responses_asgi.types.checks import missing, wrong
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["DEFAULT", "Choice", "Entry", "ModelMap", "Upstreams"]

DEFAULT = "*"
"""The name of the entry for every model that no other entry has."""

# How much an error tells of a name that a client made up, and of the names there are.
MAX_SHOWN_CHARS = 100
MAX_SHOWN_NAMES = 20

Choice: TypeAlias = "Upstream | Sequence[Upstream] | Mapping[WireAPI, Upstream | Sequence[Upstream]]"
"""One upstream; several, of which the later ones are fallbacks; or either of these for each client API."""

Upstreams: TypeAlias = "Mapping[str, Choice] | Upstream"
"""Model name, or pattern with one `*`, to who answers for it. An Upstream alone answers for every model."""


class Entry(NamedTuple):
    """One name of the table: `upstreams` is, for each client API that it serves, the best one first."""

    name: str
    upstreams: Mapping[WireAPI, tuple[Upstream, ...]]

    @property
    def exact(self) -> bool:
        """Whether the name is that of one model."""
        return DEFAULT not in self.name

    def all(self) -> Iterator[Upstream]:
        """Every upstream once, however many clients it serves."""
        seen: list[Upstream] = []
        for upstreams in self.upstreams.values():
            for upstream in upstreams:
                if not any(upstream is other for other in seen):
                    seen.append(upstream)
                    yield upstream

    def matches(self, model: str) -> bool:
        """Whether this entry's pattern fits the model."""
        before, _, after = self.name.partition(DEFAULT)
        return len(model) >= len(before) + len(after) and model.startswith(before) and model.endswith(after)


class ModelMap:
    """The table of one gateway. Raises ConfigurationError where `upstreams` is none.

    >>> async def parrot(request):
    ...     yield "hello"
    >>> house = Upstream.handler(parrot)
    >>> ModelMap({"gpt-*": house, "gpt-5*": house}).find("gpt-5.5", "chat").name
    'gpt-5*'
    """

    def __init__(self, upstreams: Upstreams) -> None:
        table = {DEFAULT: upstreams} if isinstance(upstreams, Upstream) else upstreams
        if not isinstance(table, Mapping) or not table:
            raise ConfigurationError(
                "upstreams must be an Upstream, or map at least one model name to one, "
                f"got {'an empty mapping' if isinstance(table, Mapping) else type(table).__name__}"
            )
        self.entries = [_entry(name, choice) for name, choice in table.items()]
        self._exact = {entry.name: entry for entry in self.entries if entry.exact}
        self._patterns = sorted(
            (entry for entry in self.entries if not entry.exact), key=lambda entry: -len(entry.name)
        )

    @property
    def default(self) -> Entry | None:
        """The entry called `*`."""
        return next((entry for entry in self._patterns if entry.name == DEFAULT), None)

    def upstreams(self) -> list[Upstream]:
        """Every upstream of the table; one that is given to several names comes several times."""
        return [upstream for entry in self.entries for upstream in entry.all()]

    def translates(self, client: WireAPI) -> bool:
        """Whether clients of this API are served by any upstream that speaks the other one."""
        ways = (entry.upstreams.get(client, ()) for entry in self.entries)
        return any(upstream.spoken_to(client) != client for way in ways for upstream in way)

    def find(self, model: object, client: WireAPI) -> Entry:
        """The entry that serves clients of this API with the model; what names none gets the default.

        Raises InvalidRequestError: 404 `model_not_found`, naming the models there are, or 400 when the name
        is none or is needed.
        """
        if model is not None and not isinstance(model, str):
            raise wrong("model", "Input should be a valid string", model)
        entry = self.entry_of(model, client) if model else self.default
        if entry is not None and client in entry.upstreams:
            return entry
        if not model:
            raise missing("model")
        raise self.unknown(model, client)

    def entry_of(self, model: str, client: WireAPI | None = None) -> Entry | None:
        """The entry for a model, among those that serve this client API (None: any)."""
        exact = self._exact.get(model)
        found = [exact] if exact else []
        found += [entry for entry in self._patterns if entry.matches(model)]
        return next((entry for entry in found if client is None or client in entry.upstreams), None)

    def unknown(self, model: str, client: WireAPI | None = None) -> InvalidRequestError:
        """The error for a model that nothing here answers for."""
        names = [entry.name for entry in self.entries if client is None or client in entry.upstreams]
        told = ", ".join(names[:MAX_SHOWN_NAMES])
        if len(names) > MAX_SHOWN_NAMES:
            told += f" and {len(names) - MAX_SHOWN_NAMES} more"
        shown = model if len(model) <= MAX_SHOWN_CHARS else model[:MAX_SHOWN_CHARS] + "..."
        api = f" to {client} clients" if client else ""
        return InvalidRequestError(
            f"The model {shown!r} is not offered here{api}; known are: {told or 'none'}.",
            param="model",
            code="model_not_found",
            status=404,
        )


def _entry(name: str, choice: Choice) -> Entry:
    if not isinstance(name, str) or not name.strip() or name.count(DEFAULT) > 1:
        raise ConfigurationError(
            f"upstreams: a key must be a model name, or a pattern with one '*', got {name!r}"
        )
    place = f"upstreams[{name!r}]"
    apis: tuple[WireAPI, ...] = get_args(WireAPI)
    if not isinstance(choice, Mapping):
        several = _several(place, choice)
        return Entry(name, dict.fromkeys(apis, several))
    if not choice or choice.keys() - set(apis):
        raise ConfigurationError(f"{place} must map {' or '.join(apis)} to upstreams, got {list(choice)}")
    return Entry(name, {api: _several(f"{place}[{api!r}]", choice[api]) for api in choice})


def _several(place: str, given: Upstream | Sequence[Upstream]) -> tuple[Upstream, ...]:
    several = (given,) if isinstance(given, Upstream) else given
    if not isinstance(several, Sequence) or isinstance(several, str) or not several:
        raise ConfigurationError(
            f"{place} must be an Upstream, or a sequence of them, got {type(given).__name__}"
        )
    for one in several:
        if not isinstance(one, Upstream):
            raise ConfigurationError(f"{place} must hold Upstreams, got {type(one).__name__}")
    return tuple(several)
