"""Where a request goes: from the path the app was called with to the URL of the server behind it.

1. The base URL is the operator's; a client decides on nothing but the endpoint below it and the query.
2. What the client put before the endpoint (`/v1`, `/openai/v1`, `/openai/deployments/x`) is cut off.
3. A path that could lead out of the base (`..`, `//`, also percent-encoded) is refused, and so is the name
   of a deployment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from responses_asgi.errors import ConfigurationError, InvalidRequestError
from responses_asgi.profiles import PROFILES, Profile, profile_for
from responses_asgi.types.asgi import Scope, percent_encoded

__all__ = ["AzureTarget", "Endpoint", "Target", "URLTarget", "endpoint_of", "target_for"]

# What of Azure's classic API lies under a deployment; the rest lies directly under /openai.
# Source: https://learn.microsoft.com/azure/ai-services/openai/reference, and the OpenAI SDK's AzureOpenAI.
DEPLOYMENT_ENDPOINTS = frozenset(
    {
        "chat/completions",
        "completions",
        "embeddings",
        "audio/transcriptions",
        "audio/translations",
        "audio/speech",
        "images/generations",
        "images/edits",
    }
)

_CLIENT_PREFIX = re.compile(r"/(?:openai/deployments/(?P<deployment>[^/]+)|openai/v1|openai|v1)(?=/|$)")
_AZURE_TAIL = re.compile(r"/openai(?:/deployments/(?P<deployment>[^/]+))?$")
_LEADS_ELSEWHERE = re.compile(r"(?:^|/)\.{1,2}(?:/|$)|//|[\\\x00-\x1f\x7f]")


class Endpoint(NamedTuple):
    """What is called: `name` without the client's prefix (`chat/completions`), the same percent-encoded,
    and the deployment that an Azure client named in its path."""

    name: str
    raw: str
    deployment: str | None = None


def endpoint_of(scope: Scope) -> Endpoint:
    """The endpoint of an ASGI request, relative to `root_path` and the client's prefix.

    Raises InvalidRequestError for a path that could lead out of the base URL.

    >>> endpoint_of({"path": "/ai/v1/models/llama", "root_path": "/ai"}).name
    'models/llama'
    """
    return _endpoint(scope["path"], scope.get("raw_path") or b"", scope.get("root_path") or "")


@lru_cache(maxsize=64)  # nearly every request goes to one of a few paths
def _endpoint(path: str, raw_path: bytes, root_path: str) -> Endpoint:
    raw = raw_path.decode("latin-1").partition("?")[0]
    if unquote(raw) != path:  # absent, or left behind by a middleware that rewrote the path
        raw = percent_encoded(path)
    root = percent_encoded(root_path).rstrip("/")
    if raw == root or raw.startswith(root + "/"):
        raw = raw[len(root) :]
    prefix = _CLIENT_PREFIX.match(raw)
    rest = raw[prefix.end() :] if prefix else raw
    name = unquote(rest)
    if _leads_elsewhere(name):
        raise InvalidRequestError("the path has segments that are not allowed", code="invalid_path")
    deployment = prefix["deployment"] if prefix else None
    return Endpoint(name.strip("/"), rest.lstrip("/"), unquote(deployment) if deployment else None)


class Target(Protocol):
    """Knows the URL of each endpoint of one server."""

    @property
    def base(self) -> str:
        """What all its URLs begin with; holds no credential and no query."""

    @property
    def azure(self) -> bool:
        """Whether keys go into the `api-key` header."""

    def needs_model(self, endpoint: Endpoint) -> bool:
        """Whether `url` needs to know the model that the request's body names."""

    def url(self, endpoint: Endpoint, query: str, model: str | None = None) -> str:
        """The URL to ask; raises InvalidRequestError when the model is needed and missing."""


@dataclass(frozen=True, slots=True)
class URLTarget:
    """A server whose endpoints all lie under one base URL; `base` has no slash at its end."""

    base: str
    azure: bool = False

    def needs_model(self, endpoint: Endpoint) -> bool:
        """Never: the model stands in the body alone."""
        return False

    def url(self, endpoint: Endpoint, query: str, model: str | None = None) -> str:
        """The base, the endpoint and the client's query without an Azure client's `api-version`."""
        return _with_query(f"{self.base}/{endpoint.raw}", _without_version(query))


@dataclass(frozen=True, slots=True)
class AzureTarget:
    """Azure OpenAI's classic API: deployments in the path, `api-version` in the query."""

    base: str
    api_version: str
    deployment: str | None = None
    azure: bool = True

    def needs_model(self, endpoint: Endpoint) -> bool:
        """Where the deployment is part of the path and none is configured."""
        return self.deployment is None and endpoint.name in DEPLOYMENT_ENDPOINTS

    def url(self, endpoint: Endpoint, query: str, model: str | None = None) -> str:
        """The deployment is the configured one, else the body's model, else that of the client's path."""
        parameters = [*_without_version(query), f"api-version={quote(self.api_version, safe='')}"]
        if endpoint.name == "realtime":
            parameters = _with_deployment(parameters, self.deployment)
        if endpoint.name not in DEPLOYMENT_ENDPOINTS:
            return _with_query(f"{self.base}/openai/{endpoint.raw}", parameters)
        deployment = self.deployment or model or endpoint.deployment
        if not deployment:
            raise InvalidRequestError("the request names no model, and no deployment is set", param="model")
        if _leads_elsewhere(deployment):
            raise InvalidRequestError("the model's name cannot be that of a deployment", param="model")
        path = f"{self.base}/openai/deployments/{quote(deployment, safe='')}/{endpoint.raw}"
        return _with_query(path, parameters)


def target_for(
    base_url: str, *, profile: Profile, api_version: str | None = None, deployment: str | None = None
) -> Target:
    """Read a base URL as people write it; raises ConfigurationError when it is none.

    A URL that names only a host gets the path its API has there, `/v1` unless known otherwise; a URL with a
    path keeps it. With `api_version` the target is Azure's classic API, and `/openai` or
    `/openai/deployments/NAME` may stand at the end of the URL.
    """
    split = _split(base_url)
    host = split.hostname or ""
    of_host = profile_for(None, host)
    azure = "azure" in (profile.name, of_host.name)
    path = split.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/responses")
    site = f"{split.scheme}://{split.netloc}"
    if api_version is not None:
        tail = _AZURE_TAIL.search(path)
        named = unquote(tail["deployment"] or "") if tail else ""
        endpoint = path[: tail.start()] if tail else path
        return AzureTarget(site + endpoint, api_version, deployment or named or None)
    if deployment is not None:
        raise ConfigurationError("deployment needs api_version: only Azure's classic API has deployments")
    if not path:
        # Not the chosen profile's path: DeepSeek's model on a vLLM here lies where vLLM has it.
        path = PROFILES["azure"].base_path if azure else of_host.base_path
    return URLTarget(site + path, azure)


def _split(base_url: str) -> SplitResult:
    try:
        split = urlsplit(base_url.strip())
        split.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise ConfigurationError(f"base_url is not a URL: {error}") from None
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ConfigurationError("base_url must start with http:// or https:// and name a host")
    if split.username is not None or split.password is not None:
        raise ConfigurationError("base_url must not hold a user name or password; use api_key or headers")
    if split.query or split.fragment:
        raise ConfigurationError("base_url must not have a query; Azure's api-version goes into api_version")
    if _leads_elsewhere(split.path):
        raise ConfigurationError("the path of base_url has segments that are not allowed")
    return split


def _leads_elsewhere(path: str) -> bool:
    """Whether servers could read this as a way out of the base, some of which decode a path twice."""
    return bool(_LEADS_ELSEWHERE.search(path) or _LEADS_ELSEWHERE.search(unquote(path)))


def _without_version(query: str) -> list[str]:
    """The parts of a query, the empty ones among them, as they were sent."""
    return [part for part in query.split("&") if part.partition("=")[0] != "api-version"] if query else []


def _with_deployment(parameters: list[str], deployment: str | None) -> list[str]:
    """The query of a realtime socket: the one endpoint whose deployment stands there, as `deployment`.

    It is the configured one, else the one the query names, also as OpenAI's `model`.
    """
    named = dict(part.partition("=")[::2] for part in parameters)
    chosen = quote(deployment, safe="") if deployment else named.get("deployment") or named.get("model")
    others = [part for part in parameters if part.partition("=")[0] != "deployment"]
    return [*others, f"deployment={chosen}"] if chosen else parameters


def _with_query(url: str, parameters: list[str]) -> str:
    return f"{url}?{'&'.join(parameters)}" if parameters else url
