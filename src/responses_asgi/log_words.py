"""Words of clients and upstreams as they may stand in a log, where a line is one record."""

from __future__ import annotations

__all__ = ["one_line"]


def one_line(words: object) -> str:
    r"""The text with what would end the line, or command a terminal, written as escapes.

    >>> one_line("tools[0].x\nCRITICAL all is lost")
    'tools[0].x\\nCRITICAL all is lost'
    """
    text = str(words)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
