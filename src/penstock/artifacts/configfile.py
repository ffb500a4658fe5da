"""The dialect of `.dvc/config`: sections, keys, quoted strings and lists, as ConfigObj reads them.

A pure parser: text in, nested dictionaries out, every problem with its line. Section and option
names are lower-cased, as DVC does.
"""

from __future__ import annotations

import re
from typing import NoReturn

from penstock.errors import ConfigError, Span

Value = str | list[str]
Sections = dict[str, dict[str, Value]]

_SECTION = re.compile(r"^\s*(?P<open>\[+)\s*(?P<name>.*?)\s*(?P<close>\]+)\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>"[^"]*"|'[^']*'|[^'"=\s][^=]*?)\s*=(?P<value>.*)$""")
_ITEM = re.compile(r"""\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^'",#][^,#]*))\s*""")


def parse_config(text: str, file: str) -> Sections:
    """Return the options by section.

    Args:
        text: content of the file.
        file: its name, for messages.

    Raises:
        ConfigError: ``artifacts.config-syntax`` with the line.
    """
    sections: Sections = {}
    present: dict[str, Value] | None = None
    lines = text.removeprefix("\ufeff").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = Span(file, at, len(line) - len(line.lstrip()) + 1)
        if heading := _SECTION.match(line):
            name = _section_name(heading, place)
            present = sections.setdefault(name, {})
            continue
        if not (option := _KEY.match(line)):
            _fail("neither a [section] nor `name = value`", place)
        if present is None:
            _fail("an option before the first [section]", place)
        key = _unquote(option["key"]).lower()
        if key in present:
            _fail(f"`{key}` stands twice in this section", place)
        value, at = _value(option["value"], lines, at, place)
        present[key] = value
    return sections


def _section_name(heading: re.Match[str], place: Span) -> str:
    """Return the name of a section; nested ones do not occur in DVC."""
    if len(heading["open"]) != 1 or len(heading["close"]) != 1:
        _fail("sections within sections are not known here", place)
    return _unquote(heading["name"]).lower()


def _value(text: str, lines: list[str], at: int, place: Span) -> tuple[Value, int]:
    """Return the value of an option and the line to go on with."""
    stripped = text.strip()
    for quote in ('"""', "'''"):
        if stripped.startswith(quote):
            return _triple_quoted(stripped[3:], quote, lines, at, place)
    items: list[str] = []
    commas, position = 0, 0
    while position < len(text):
        rest = text[position:].strip()
        if not rest or rest.startswith("#"):
            break
        if rest.startswith(","):
            commas += 1
            position = text.index(",", position) + 1
            continue
        if len(items) > commas or not (item := _ITEM.match(text, position)):
            _fail(f"the value {stripped!r} cannot be read", place)
        quoted = item["double"] if item["double"] is not None else item["single"]
        items.append(quoted if quoted is not None else item["bare"].strip())
        position = item.end()
    if commas:
        return items, at
    return (items[0] if items else ""), at


def _triple_quoted(
    first: str, quote: str, lines: list[str], at: int, place: Span
) -> tuple[str, int]:
    """Return a string over several lines and the line to go on with."""
    parts = [first]
    while quote not in parts[-1]:
        if at >= len(lines):
            _fail(f"the string is not closed by {quote}", place)
        parts.append(lines[at])
        at += 1
    last, _, rest = parts[-1].partition(quote)
    if rest.strip() and not rest.strip().startswith("#"):
        _fail(f"text after the closing {quote}", place)
    parts[-1] = last
    return "\n".join(parts), at


def _unquote(text: str) -> str:
    """Take one pair of quotes away."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _fail(what: str, place: Span) -> NoReturn:
    raise ConfigError(
        what,
        code="artifacts.config-syntax",
        span=place,
        hint="`dvc config --list` shows what DVC makes of the file",
    )
