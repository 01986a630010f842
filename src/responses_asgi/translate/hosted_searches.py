"""Searching: the web, pages of it, and files. The rows of their calls, and how answers cite what was found.

What was found is `{"results": [...]}`: pages with `url`, `title` and `text`, or passages with `file_id`,
`filename`, `text`, `score` and `attributes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from responses_asgi.translate.citations import Citation
from responses_asgi.translate.hosted_kind import HostedKind, objects, one_argument, word, words
from responses_asgi.types.json import JSON

__all__ = ["SEARCHES"]

SOURCES = "web_search_call.action.sources"
PAGES = "web_search_call.results"
PASSAGES = "file_search_call.results"

_TYPES = ("web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11")
_CITE = "In the answer, cite what a result says by its number in brackets, as in [1]"
_NOTHING = "Nothing was found."


def _numbered(heads: Sequence[str], results: Sequence[JSON], first: int) -> str:
    marks = (f"[{first + i}] " if first else "" for i in range(len(heads)))
    blocks = zip(marks, heads, results, strict=True)
    return "\n\n".join(f"{mark}{head}\n{result.get('text') or ''}".rstrip() for mark, head, result in blocks)


# Pages


def _about_the_web(tool: JSON) -> str:
    place = tool.get("user_location") or {}
    where = ", ".join(str(place[name]) for name in ("city", "region", "country") if place.get(name))
    zone = f" (time zone {place['timezone']})" if place.get("timezone") else ""
    only = (tool.get("filters") or {}).get("allowed_domains") or ()
    said = [
        "Searches the web. The result is a list of pages, each with a number, its title, its address and "
        f"what it says about the query. {_CITE}, or by a Markdown link to its address."
    ]
    if where or zone:
        said.append(f"The user is near {where or 'an unknown place'}{zone}.")
    if only:
        said.append(f"Only these sites are searched: {', '.join(map(str, only))}.")
    return "\n\n".join(said)


def _pages_told(found: JSON, first: int) -> str:
    pages = found["results"]
    heads = ["\n".join(words(page, "title", "url")) for page in pages]
    return _numbered(heads, pages, first) or _NOTHING


def _pages_shown(item: JSON, found: JSON, include: frozenset[str]) -> JSON:
    pages, action = found["results"], item["action"]
    if SOURCES in include and action["type"] == "search":
        action = {**action, "sources": [{"type": "url", "url": page["url"]} for page in pages]}
    return {"action": action, **({"results": pages} if PAGES in include else {})}


def _pages_kept(item: JSON) -> JSON | None:
    kept = objects(item.get("results")) or objects(_action(item).get("sources"))
    pages = [page for page in kept if isinstance(page.get("url"), str)]
    return {"results": pages} if pages else None


def _pages_cited(item: JSON, found: JSON, first: int) -> list[Citation]:
    return [_page_cited(page, first + i) for i, page in enumerate(found["results"])]


def _page_cited(page: JSON, number: int) -> Citation:
    said: JSON = {"type": "url_citation", "url": page["url"], "title": page.get("title") or page["url"]}
    return Citation(
        number, [page["url"]], lambda start, end: {**said, "start_index": start, "end_index": end}
    )


def _action(item: JSON) -> JSON:
    action = item.get("action")
    return action if isinstance(action, dict) else {}


def _web(
    name: str,
    about: Callable[[JSON], str],
    parameters: JSON,
    action: Callable[[JSON], JSON],
    begun: JSON,
) -> HostedKind:
    """One way to use the web; all of them are calls of one type, told apart by their actions."""
    return HostedKind(
        name=name,
        tools=_TYPES,
        call="web_search_call",
        prefix="ws_",
        function=name.rpartition(".")[2],
        argument=parameters["required"][-1],
        about=about,
        parameters=parameters,
        opened=lambda tool: {"action": begun},
        asked=lambda arguments: {"action": action(arguments)},
        arguments=lambda item: {key: word(_action(item), key, "queries") for key in parameters["properties"]},
        told=_pages_told,
        shown=_pages_shown,
        kept=_pages_kept,
        running="searching",
        include=(SOURCES, PAGES),
        cited=_pages_cited,
        is_of=lambda item: _action(item).get("type", "search") == begun["type"],
    )


def _search(arguments: JSON) -> JSON:
    queries = words(arguments, "query", "queries", "q")
    return {"type": "search", "query": next(iter(queries), ""), "queries": queries}


def _find(arguments: JSON) -> JSON:
    pattern = word(arguments, "pattern", "query", "text")
    return {"type": "find_in_page", "url": word(arguments, "url"), "pattern": pattern}


_URL = "The address of the page."
_FIND: JSON = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "description": _URL},
        "pattern": {"type": "string", "description": "The text to look for."},
    },
    "required": ["url", "pattern"],
    "additionalProperties": False,
}


# Files


def _passages_told(found: JSON, first: int) -> str:
    passages = found["results"]
    heads = [str(each.get("filename") or each.get("file_id") or "A file") for each in passages]
    return _numbered(heads, passages, first) or _NOTHING


def _passages_kept(item: JSON) -> JSON | None:
    passages = objects(item.get("results"))
    return {"results": passages} if passages else None


def _passages_cited(item: JSON, found: JSON, first: int) -> list[Citation]:
    return [_passage_cited(each, first + i) for i, each in enumerate(found["results"])]


def _passage_cited(passage: JSON, number: int) -> Citation:
    said: JSON = {"type": "file_citation", "file_id": passage["file_id"], "filename": passage["filename"]}
    return Citation(number, [], lambda start, end: {**said, "index": start})


SEARCHES: tuple[HostedKind, ...] = (
    _web(
        "web_search",
        _about_the_web,
        one_argument("query", "What to look for, as one would type it into a search engine."),
        _search,
        {"type": "search"},
    ),
    _web(
        "web_search.open_page",
        lambda tool: f"Opens a page of the web. The result is what it says. {_CITE}.",
        one_argument("url", _URL),
        lambda arguments: {"type": "open_page", "url": word(arguments, "url") or None},
        {"type": "open_page", "url": None},
    ),
    _web(
        "web_search.find_in_page",
        lambda tool: f"Finds a text in a page of the web. The result is what stands around it. {_CITE}.",
        _FIND,
        _find,
        {"type": "find_in_page", "url": "", "pattern": ""},
    ),
    HostedKind(
        name="file_search",
        tools=("file_search",),
        call="file_search_call",
        prefix="fs_",
        function="file_search",
        argument="query",
        about=lambda tool: (
            "Searches the files that the user has provided. The result is a list of passages, each with a "
            f"number, the name of its file and its text. {_CITE}."
        ),
        parameters=one_argument("query", "What to look for: a question, or words that the files may have."),
        opened=lambda tool: {"queries": [], "results": None},
        asked=lambda arguments: {"queries": words(arguments, "query", "queries", "q")},
        arguments=lambda item: {"query": word(item, "queries")},
        told=_passages_told,
        shown=lambda item, found, include: {"results": found["results"] if PASSAGES in include else None},
        kept=_passages_kept,
        running="searching",
        cut="incomplete",
        include=(PASSAGES,),
        cited=_passages_cited,
    ),
)
