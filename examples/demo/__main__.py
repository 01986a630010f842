"""`make demo`: the bridge at work on real input. No network, no key; exits with 0 when all went well."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from importlib.metadata import version

from examples.demo import order_desk, recordings, server_shapes
from examples.demo.page import Page
from examples.serving import uvicorn

APP = "examples.fastapi_app.main:app"


def main() -> int:
    """Show all parts and return 0, or 1 if anything was not as promised."""
    logging.getLogger("responses_asgi").addHandler(logging.NullHandler())  # the faults are made on purpose
    page = Page()
    began = time.perf_counter()
    page.line(
        page.paint(f"responses-asgi {version('responses-asgi')}", "bold")
        + ": Responses clients, Chat servers"
    )

    with uvicorn(APP) as base_url:
        page.chapter(1, "A FastAPI chat service, asked as /v1/responses", f"uvicorn, {base_url}")
        page.line(f"   {APP}, whose whole integration is  app.add_middleware(ResponsesMiddleware)")
        page.line(f"   and the client is the official openai {version('openai')} package")
        answers = order_desk.show(page, base_url)

    page.chapter(2, "Streams in the shapes of real servers", "in process, the same openai client")
    answers += asyncio.run(server_shapes.show(page))

    page.chapter(3, "Recorded answers of real servers", "in process")
    if recordings.FOLDER.is_dir():
        answers += asyncio.run(recordings.show(page))
    else:
        page.line("   Left out: the folder ../shared/recordings is not here.")

    page.line()
    page.line(page.paint("─" * page.width, "dim"))
    seconds = time.perf_counter() - began
    if page.problems:
        page.line(
            page.paint(f"{len(page.problems)} of {answers} answers were not as promised:", "red", "bold")
        )
        for problem in page.problems:
            page.line(f"  - {problem}")
        return 1
    page.line(
        page.paint(f"All well: {answers} answers in {seconds:.1f} s, {page.promises} promises kept.", "bold")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
