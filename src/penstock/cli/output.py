"""How commands answer: as text for people, as JSON for programs, errors like a compiler's.

Answers go to standard output, everything else (notes, warnings, errors) to standard error.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from penstock.errors import PenstockError, Problem, Span

JSON = "penstock.json"
"""Key in click's `Context.meta`: whether `--json` was given."""
PROJECT = "penstock.project"
"""Key in click's `Context.meta`: the directory that the command works in."""

_LONGEST_LINE = 160


def wants_json() -> bool:
    """Return whether the command was asked to answer as JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(JSON))


def emit(data: Any, text: str | Callable[[], None] = "") -> None:
    """Answer: `data` as JSON with ``--json``, else `text` (or what `text()` prints)."""
    if wants_json():
        write_json(data)
    elif callable(text):
        text()
    elif text:
        click.echo(text)


def write_json(data: Any) -> None:
    """Print plain values as JSON; numbers that JSON does not know (NaN, infinity) become null."""
    click.echo(json.dumps(_finite(data), indent=2, ensure_ascii=False, default=str))


def note(text: str) -> None:
    """Tell on standard error what is going on."""
    click.echo(text, err=True)


def warn(text: str, hint: str | None = None) -> None:
    """Tell on standard error what may be wrong, and what to do about it."""
    click.echo(f"{paint('warning:', 'yellow', bold=True)} {text}", err=True)
    if hint:
        click.echo(_help(hint), err=True)


def fail(error: PenstockError, *, as_json: bool | None = None) -> None:
    """Show an error: like a compiler on standard error, or as JSON on standard output."""
    if wants_json() if as_json is None else as_json:
        write_json({"error": error.to_dict()})
    else:
        click.echo(render(error), err=True)


def render(error: PenstockError, *, root: Path | None = None) -> str:
    """Return an error as text: each problem with its place, source line, caret and remedy.

    Args:
        error: what to show.
        root: directory that the files of spans may be relative to, besides the current one.
    """
    context = click.get_current_context(silent=True)
    root = root or (context.meta.get(PROJECT) if context is not None else None)
    lines: list[str] = []
    tail = [f"  {paint('|', 'blue')} {line.rstrip()}" for line in error.log_tail]
    for problem in error.problems:
        lines += _problem(problem, root, tail)
        tail = []
    if len(error.problems) > 1:
        lines.append(f"{paint('error:', 'red', bold=True)} {error.message}")
        if error.hint:
            lines.append(_help(error.hint))
    return "\n".join(lines)


def paint(text: str, colour: str, *, bold: bool = False, stream: TextIO | None = None) -> str:
    """Return text in a colour, where the stream (standard error by default) shows colours."""
    return click.style(text, fg=colour, bold=bold) if coloured(stream or sys.stderr) else text


def coloured(stream: TextIO) -> bool:
    """Return whether to colour what goes to a stream (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, right: str = "") -> str:
    """Return rows in columns, as wide as needed, for any terminal.

    Args:
        header: names of the columns.
        rows: cells, shown with `str`.
        right: letters of columns, by position (``a`` is the first), that are set to the right.
    """
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if chr(ord("a") + index) in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


@functools.cache
def console(*, stderr: bool = False) -> Any:
    """Return rich's console on standard output (or error); rich is imported only then."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else int(os.environ.get("COLUMNS", "100"))
    return Console(file=stream, no_color=not coloured(stream), highlight=False, width=width)


def _problem(problem: Problem, root: Path | None, tail: list[str]) -> list[str]:
    said = f"{paint('error:', 'red', bold=True)} {problem.message}"
    if problem.span is None:
        lines = [said]
    else:
        lines = [f"{paint(str(problem.span), 'white', bold=True)}: {said}"]
        lines += _excerpt(problem.span, root)
    lines += tail
    if problem.hint:
        lines.append(_help(problem.hint))
    return lines


def _help(hint: str) -> str:
    return f"  {paint('help:', 'cyan')} " + hint.replace("\n", "\n  ").replace("  \n", "\n")


def _excerpt(span: Span, root: Path | None) -> list[str]:
    """Return the source line with a caret under the column, or nothing where it is not readable."""
    line = _source_line(span, root)
    if line is None:
        return []
    start = span.column - 1
    width = max(1, (span.end_column or span.column + 1) - span.column)
    if len(line) > _LONGEST_LINE:
        cut = max(0, start - _LONGEST_LINE // 2)
        line, start = line[cut : cut + _LONGEST_LINE], start - cut
    width = max(1, min(width, len(line) - start))
    pad = "".join("\t" if letter == "\t" else " " for letter in line[:start]).ljust(start)
    number = str(span.line)
    bar = paint("|", "blue")
    margin = " " * len(number)
    return [
        f"  {paint(number, 'blue')} {bar} {line}",
        f"  {margin} {bar} {pad}{paint('^' * width, 'red', bold=True)}",
    ]


def _source_line(span: Span, root: Path | None) -> str | None:
    for directory in (Path(), root):
        if directory is None:
            continue
        try:
            text = (directory / span.file).read_bytes().decode("utf-8-sig", "replace")
        except (OSError, ValueError):
            continue
        lines = text.split("\n")
        if span.line <= len(lines):
            line = lines[span.line - 1].rstrip("\r")
            return "".join(
                x if x.isprintable() or x == "\t" else "\N{REPLACEMENT CHARACTER}" for x in line
            )
    return None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_finite(item) for item in value]
    return value


def _key(key: Any) -> Any:
    return key if isinstance(key, str | int | float | bool) or key is None else str(key)
