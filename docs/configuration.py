"""Writes `docs/configuration.md` from the keys of the configuration and the fields of profiles.

python -m docs.configuration
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from responses_asgi.config import KEYS, PREFIX, Key
from responses_asgi.profiles import PROFILES, Profile

PAGE = Path(__file__).with_name("configuration.md")

INTRO = """\
# Configuration

Every key of a gateway's file, with its default, its meaning and its variable, and every field of a profile.
`responses-asgi serve gateway.yaml` puts both APIs in front of every upstream that the file names. Here is
one that uses most of what there is; each part can be left out. A smaller one, step by step:
[in production](deploy.md#a-gateway-for-others).

```yaml
upstreams:
  local: {url: "http://localhost:8000", profile: vllm}
  cloud:
    url: https://api.openai.com
    api: both
    api_key_env: OPENAI_API_KEY
    passthrough: [models, chat/completions, responses, embeddings, files]
  azure:
    url: https://${AZURE_NAME:-example}.openai.azure.com
    api_key: $AZURE_API_KEY
    api_version: 2024-10-21
    deployment: gpt-4o
  house:
    url: http://10.0.0.7:8080
    profile: {base: generic, think_tags: true, reasoning_field: reasoning_content}
    tool_policy: {web_search: error, "*": drop}
    drop: [seed]
    set: {top_k: 40}
    read_timeout: 120
  toy: {handler: demo}

models:
  gpt-5: cloud
  gpt-4o: [azure, cloud]
  llama: {upstream: local, model: meta-llama/Llama-4-Scout}
  "house-*": house
  mixed: {chat: cloud, responses: local}
  "*": toy

server: {host: 0.0.0.0, port: 8000, workers: 4, log_level: warning}
store: sqlite:///responses.db
auth: {keys_store: "sqlite:///keys.db"}
rate_limits: {models: {"house-*": {requests: 20, concurrent: 2}, "*": {tokens: 200000}}}
telemetry: {prometheus: true, audit: audit.jsonl}
cors: {origins: ["https://chat.example.org"]}
limits: {max_body_bytes: 20000000}
background: {running: 200, retention: 3600}
webhooks:
  billing: {url: "https://billing.example.org/openai", secrets_env: BILLING_SECRETS}
```

`responses-asgi check gateway.yaml` says what is wrong with a file, all of it at once and with the path
of each key, or what it comes to. `responses-asgi probe URL --write gateway.yaml` writes a first one for
a server.

## Where values come from

1. Flags: `responses-asgi serve gateway.yaml --port 9000`.
2. The environment: `RESPONSES_ASGI_SERVER__PORT=9000`.
3. `.env` in the working directory, or the file that `--env-file` names. What it sets becomes part of the
   environment, so that keys of servers can stand there, too. What is set already stays.
4. The file.

The first that says something about a key counts; mappings are united. Without a file the environment
and `.env` are enough. Keys of upstreams are set with their name in it:
`RESPONSES_ASGI_UPSTREAMS__LOCAL__URL`. Names that variables should reach have small letters, digits and
`_`.

## Keys of servers

They are not written into the file, but taken from the environment: `api_key_env: NAME` or `api_key:
$NAME`. No key is ever printed, logged or told by `/health`. A client's own key goes to an upstream only
with `credentials: forward` or `forward_or_own`.

## Variables in the file

`$NAME` and `${NAME}` in any text stand for the environment variable; one that is not set is an error.
`${NAME:-default}` has a default. `$$` is a dollar.

## Models

| value | who answers |
| --- | --- |
| `local` | the upstream of that name |
| `[local, cloud]` | the first; the others when it fails before its answer begins |
| `{upstream: local, model: large}` | `local`, asked for `large`; clients see the name they asked for |
| `{chat: cloud, responses: local}` | by the client's API; each may be any of the forms above |

The longest pattern counts that fits a model's name, an exact name before all. `"*"` is the default: it
answers for all other models, and gets the requests to all paths that are not the gateway's own. With
one upstream, `models` can be left out.

## Tool types

`tool_policy` says which types of tools are not passed on to an upstream: `drop` leaves them out and
reports that, `error` makes the request a 400. `"*"` stands for all types but `function` that are not
named. Types that are not mentioned are sent where the upstream's API has them, else dropped and
reported.

## Code of yours

`app`, `wsgi`, `handler`, the hooks, `principal`, `count_tokens` and `rate_limits.who` name objects as
`module:name`. Modules are found on `PYTHONPATH` and in the working directory.
"""

# Heading -> the path that the keys of the table lie below.
SECTIONS: dict[str, tuple[str, ...]] = {
    "At the top": (),
    "Upstreams": ("upstreams", "NAME"),
    "Keys": ("auth",),
    "Server": ("server",),
    "Browsers": ("cors",),
    "Limits": ("limits",),
    "Background": ("background",),
    "WebSockets": ("websocket",),
    "Hosted tools": ("hosted",),
    "Rate limits": ("rate_limits",),
    "Rate limits of models": ("rate_limits", "models", "NAME"),
    "Telemetry": ("telemetry",),
    "Webhooks": ("webhooks", "NAME"),
}

_TYPES: dict[Any, str] = {
    bool: "true, false",
    int: "number",
    float: "number",
    str: "text",
    SecretStr: "text",
    Profile: "name, mapping",
    Any: "any value",
}


FOOT = """\
Written by `python -m docs.configuration` from the code that reads the keys.

---

[← Testing](testing.md) · [All pages](../README.md#the-pages) · [In production →](deploy.md)
"""


def page() -> str:
    """The text of the page."""
    return "\n".join([INTRO, *_keys(), *_profiles(), FOOT])


def _keys() -> Iterator[str]:
    yield "## All keys\n"
    yield (
        f"The variable of a key is `{PREFIX}` and its path in capitals, with `__` for each dot: "
        f"`server.port` is `{PREFIX}SERVER__PORT`. Lists and mappings are JSON there; lists of words may be "
        "written with commas.\n"
    )
    for heading, below in SECTIONS.items():
        yield f"### {heading}\n"
        yield _table(
            ("key", "type", "default", "meaning", "variable"),
            (
                (f"`{'.'.join(key.path)}`", _type(key), _default(key), key.description, f"`{key.variable}`")
                for key in KEYS
                if key.path[:-1] == below and key.path not in SECTIONS.values()
            ),
        )


def _profiles() -> Iterator[str]:
    yield "## Fields of a profile\n"
    yield (
        "What can stand under `upstreams.NAME.profile`, besides `base`, the profile that is changed "
        f"({', '.join(f'`{name}`' for name in PROFILES)}; default: `generic`).\n"
    )
    said = _docstrings(Profile)
    named = [field.name for field in fields(Profile) if field.name != "hosts"]
    yield _table(("field", "meaning"), ((f"`{name}`", said[name]) for name in named))


def _docstrings(cls: type) -> dict[str, str]:
    """The docstrings below the fields of a class."""
    [body] = ast.parse(inspect.getsource(cls)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(after, ast.Expr):
            assert isinstance(statement.target, ast.Name)
            found[statement.target.id] = " ".join(str(ast.literal_eval(after.value)).split())
    return found


def _type(key: Key) -> str:
    if key.path == ("models",):
        return "mapping"
    return _named(key.field.annotation)


def _named(annotation: Any) -> str:
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _named(inside[0])
    if origin in (Union, UnionType):
        return ", ".join(dict.fromkeys(_named(each) for each in inside if each is not NoneType))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if origin in (list, dict):
        return {list: "list", dict: "mapping"}[origin]
    return _TYPES.get(annotation, "mapping")


def _default(key: Key) -> str:
    field: FieldInfo = key.field
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    empty = default is None or default in ({}, [], "")
    return "" if empty else f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines) + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
