"""Pieces of HTML that several sections use; everything from outside is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from penstock.domain.verdict import Outcome
from penstock.reports.words import MARKS


def text(value: object) -> str:
    """Return a value as HTML text."""
    return html.escape(str(value))


def pill(outcome: Outcome, said: str = "") -> str:
    """Return an outcome as a coloured word with its sign."""
    return (
        f'<span class="pill {outcome.value}">{MARKS[outcome]} {text(said or outcome.value)}</span>'
    )


def section(title: str, lead: str, *content: str) -> str:
    """Return a section; nothing when there is no content."""
    inside = "\n".join(one for one in content if one)
    if not inside:
        return ""
    said = f'<p class="lead">{text(lead)}</p>' if lead else ""
    return f"<section>\n<h2>{text(title)}</h2>\n{said}\n{inside}\n</section>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: str = "") -> str:
    """Return a table of cells that are HTML already.

    Args:
        head: names of the columns, as plain text.
        rows: cells.
        numbers: letters of columns, by position (``a`` is the first), that hold numbers.
    """
    kinds = [' class="num"' if chr(ord("a") + k) in numbers else "" for k in range(len(head))]
    first = "".join(f"<th{kind}>{text(name)}</th>" for kind, name in zip(kinds, head, strict=True))
    body = [
        "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True))
        for row in rows
    ]
    if not body:
        return ""
    inside = "\n".join(f"<tr>{row}</tr>" for row in body)
    return f'<div class="scroll"><table><tr>{first}</tr>\n{inside}\n</table></div>'


def figure(caption: str, drawing: str) -> str:
    """Return a picture with a caption; nothing when there is no picture."""
    if not drawing:
        return ""
    return f"<figure><figcaption>{text(caption)}</figcaption>{drawing}</figure>"


def tile(name: str, value: str, said: str, outcome: Outcome | None = None) -> str:
    """Return one of the figures at the top of the page."""
    kind = f" {outcome.value}" if outcome else ""
    return (
        f'<div class="tile{kind}"><span>{text(name)}</span><b>{text(value)}</b>'
        f"<span>{text(said)}</span></div>"
    )


def chain(items: Iterable[tuple[str, str, str]]) -> str:
    """Return a chain of (what, HTML, small print as HTML)."""
    rows = [
        f"<li><span>{text(name)}</span><span>{value}"
        + (f"<small>{small}</small>" if small else "")
        + "</span></li>"
        for name, value, small in items
        if value
    ]
    return f'<ol class="chain">{"".join(rows)}</ol>' if rows else ""
