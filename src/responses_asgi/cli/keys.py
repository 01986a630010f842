"""`responses-asgi keys`: the keys that a gateway has issued, in the store that its configuration names."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from responses_asgi.errors import ConfigurationError, MissingExtraError

if TYPE_CHECKING:
    from responses_asgi.keys import Key, Keys

__all__ = ["add_parser", "run"]

EXAMPLES = """\
examples:
  responses-asgi keys create --keys-store sqlite:///keys.db --label ci --scope responses --ttl 86400
  responses-asgi keys create -c gateway.yaml --scope chat --scope "model:gpt-*"
  responses-asgi keys list -c gateway.yaml
  responses-asgi keys revoke -c gateway.yaml 0123456789abcdef0123456789abcdef
  responses-asgi keys expire -c gateway.yaml 0123456789abcdef0123456789abcdef --ttl 3600
  responses-asgi keys purge -c gateway.yaml --older-than 2592000

Where the keys are: --keys-store, else RESPONSES_ASGI_AUTH__KEYS_STORE, else auth.keys_store of the file, else
its store. A new key is printed alone on stdout, once; what is known of it goes to stderr. Scopes are APIs
(responses, chat, embeddings ...), "*", admin, metrics, and model:NAME.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `keys` and its actions to the command line."""
    parser = commands.add_parser(
        "keys",
        help="create, list and end the keys of clients",
        description="Create, list and end the keys that clients show to a gateway.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True)
    create = _add(actions, "create", _create, "make a key and print it, once")
    create.add_argument("--label", metavar="TEXT", help="what it is for")
    create.add_argument(
        "--scope", action="append", default=[], metavar="SCOPE", help="what it is limited to; again for more"
    )
    _add_times(create)
    listing = _add(actions, "list", _list, "list all keys, without their secrets")
    listing.add_argument("--after", metavar="ID", help="begin behind this key")
    listing.add_argument("--limit", type=int, metavar="N", help="at most so many (default: all)")
    revoke = _add(actions, "revoke", _revoke, "end a key at once, for ever")
    revoke.add_argument("id", metavar="ID", help="the id of the key, or the key itself")
    expire = _add(actions, "expire", _expire, "set when a key expires")
    expire.add_argument("id", metavar="ID", help="the id of the key, or the key itself")
    _add_times(expire)
    purge = _add(actions, "purge", _purge, "forget keys that were revoked or have expired")
    purge.add_argument(
        "--older-than", type=float, default=0.0, metavar="SECONDS", help="only those so long ago (default: 0)"
    )


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Callable[[Keys, argparse.Namespace], Awaitable[int]],
    what: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=what, description=what.capitalize() + ".")
    parser.add_argument("-c", "--config", metavar="CONFIG", help="the configuration file of the gateway")
    parser.add_argument(
        "--keys-store", metavar="URL", help="sqlite:///FILE, redis://... (default: as configured)"
    )
    parser.add_argument("--env-file", metavar="FILE", help="environment variables to set (default: .env)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, act=act)
    return parser


def _add_times(parser: argparse.ArgumentParser) -> None:
    times = parser.add_mutually_exclusive_group()
    times.add_argument("--ttl", type=float, metavar="SECONDS", help="it lives so long from now on")
    times.add_argument("--expires-at", type=_time, metavar="TIME", help="ISO 8601 (in UTC), or unix seconds")
    times.add_argument("--never", action="store_true", help="it does not expire")


def run(options: argparse.Namespace) -> int:
    """Do what is asked and return 0; 1 when there is no such key. Raises ConfigurationError for the store."""
    return asyncio.run(_act(_keys(options), options))


async def _act(keys: Keys, options: argparse.Namespace) -> int:
    try:
        status: int = await options.act(keys, options)
    finally:
        await keys.aclose()
    return status


def _keys(options: argparse.Namespace) -> Keys:
    try:
        from responses_asgi.config import ProblemsError, keys_of, load
    except ModuleNotFoundError as error:
        raise MissingExtraError("a configuration", "server") from error
    flags = {} if options.keys_store is None else {"auth": {"keys_store": options.keys_store}}
    loaded = load(options.config, flags=flags, env_file=options.env_file)
    if loaded.problems:
        raise ProblemsError(loaded.problems, options.config)
    keys: Keys = keys_of(loaded.config)
    if keys.in_memory:
        raise ConfigurationError(
            "keys in memory are known to the gateway's own process only; name a store with --keys-store"
        )
    return keys


async def _create(keys: Keys, options: argparse.Namespace) -> int:
    issued = await keys.create(label=options.label, scopes=options.scope, **_times(options))
    if options.json:
        print(json.dumps(issued.document()))
    else:
        print(_line(issued.key), file=sys.stderr)
        print(issued.token)
    return 0


async def _list(keys: Keys, options: argparse.Namespace) -> int:
    found: list[Key] = []
    after, left = options.after, options.limit
    while left is None or left > 0:
        page = await keys.list(after=after, limit=1_000 if left is None else left)
        found += page.keys
        left = None if left is None else left - len(page.keys)
        after = page.after
        if after is None:
            break
    if options.json:
        print(json.dumps([key.document() for key in found]))
    else:
        for key in found:
            print(_line(key))
    return 0


async def _revoke(keys: Keys, options: argparse.Namespace) -> int:
    id = _id(options.id)
    revoked = await keys.revoke(id)
    if not revoked and await keys.get(id) is None:
        return _no_such(id)
    return _tell(options, {"revoked": revoked, "id": id}, f"{id} is revoked")


async def _expire(keys: Keys, options: argparse.Namespace) -> int:
    id = _id(options.id)
    key = await keys.set_expiration(id, **_times(options))
    if key is None:
        return _no_such(id)
    return _tell(options, {"updated": True, "id": id, "expires_at": key.expires_at}, _line(key))


async def _purge(keys: Keys, options: argparse.Namespace) -> int:
    purged = await keys.purge(older_than=options.older_than)
    return _tell(options, {"purged": purged}, f"{purged} forgotten")


def _tell(options: argparse.Namespace, document: Any, line: str) -> int:
    print(json.dumps(document) if options.json else line)
    return 0


def _no_such(id: str) -> int:
    print(f"responses-asgi: there is no key {id}", file=sys.stderr)
    return 1


def _id(given: str) -> str:
    """The id, also of a whole key, so that no secret is looked up or repeated."""
    return given.removeprefix("sk_").partition(".")[0]


def _times(options: argparse.Namespace) -> dict[str, Any]:
    if options.never:
        return {"expires_at": None}
    if options.ttl is not None:
        return {"ttl": options.ttl}
    return {} if options.expires_at is None else {"expires_at": options.expires_at}


def _time(text: str) -> float:
    """Unix seconds of a time as people write it."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2027-01-31T12:00 or 1800000000"
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _line(key: Key) -> str:
    """A key in one line, for people."""
    states = [("revoked", key.revoked_at), ("expires", key.expires_at), ("last used", key.last_used_at)]
    said = [f"{state} {_shown(at)}" for state, at in states if at is not None]
    scopes = " ".join(key.scopes) or "no limit"
    label = repr(key.label) if key.label is not None else "-"
    return "  ".join([key.id, label, scopes, f"created {_shown(key.created_at)}", *said])


def _shown(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
