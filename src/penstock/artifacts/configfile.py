"""The dialect of `.dvc/config`: sections, keys, quoted strings and lists, as ConfigObj reads them.

A pure parser: text in, nested dictionaries out, every problem with its line. Section and option
names are lower-cased, as DVC does.
"""

from __future__ import annotations

import re

from penstock.errors import ConfigError, Span

Value = str | list[str]
Sections = dict[str, dict[str, Value]]

_SECTION = re.compile(r"""^\s*(?P<open>\[+)\s*(?P<name>[^\s\]].*?)\s*(?P<close>\]+)\s*(?:\#.*)?$""")
_KEY = re.compile(r"""^\s*(?P<key>"[^"]*"|'[^']*'|[^'"=\s][^=]*?)\s*=\s*(?P<value>.*)$""")
_QUOTED = re.compile(r"""(?P<quote>["'])(?P<text>.*?)(?P=quote)\s*(?=,|\#|$)""")
_BARE = re.compile(r"""(?P<text>[^'",\#\s][^,\#]*)""")
_REFERENCE = re.compile(r"%\((?P<key>[^)]*)\)s")


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
    places: dict[tuple[int, str], Span] = {}
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
            if name in sections:
                raise _wrong(f"the section [{name}] stands twice in this file", place)
            present = sections[name] = {}
            continue
        if not (option := _KEY.match(line)):
            raise _wrong("neither a [section] nor `name = value`", place)
        if present is None:
            raise _wrong("an option before the first [section]", place)
        key = _unquote(option["key"]).lower()
        if key in present:
            raise _wrong(f"`{key}` stands twice in this section", place)
        present[key], at = _value(option["value"], lines, at, place)
        places[id(present), key] = place
    for options in sections.values():
        for key, value in options.items():
            options[key] = _interpolated(value, options, places[id(options), key])
    return sections


def _section_name(heading: re.Match[str], place: Span) -> str:
    """Return the name of a section; nested ones do not occur in DVC."""
    if len(heading["open"]) != 1 or len(heading["close"]) != 1:
        raise _wrong("sections within sections are not known here", place)
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
        char = text[position]
        if char == "#":
            break
        if char == ",":
            commas += 1
            position += 1
            if len(items) != commas and stripped != ",":
                raise _wrong(f"the list {stripped!r} has an empty place", place)
        elif char.isspace():
            position += 1
        elif len(items) > commas or not (
            item := _QUOTED.match(text, position) or _BARE.match(text, position)
        ):
            raise _wrong(f"the value {stripped!r} cannot be read: check its quotes", place)
        else:
            items.append(item["text"] if char in "\"'" else item["text"].rstrip())
            position = item.end()
    if commas:
        return items, at
    return (items[0] if items else ""), at


def _interpolated(value: Value, options: dict[str, Value], place: Span) -> Value:
    """Put other options of the section in the place of `%(name)s`."""
    if isinstance(value, list):
        return [str(_interpolated(item, options, place)) for item in value]
    for _ in range(10):
        if not (reference := _REFERENCE.search(value)):
            return value
        other = options.get(reference["key"].lower())
        if not isinstance(other, str):
            raise _wrong(f"{reference[0]} names no option of this section", place)
        value = value[: reference.start()] + other + value[reference.end() :]
    raise _wrong(f"{value[:40]!r} refers to itself", place)


def _triple_quoted(
    first: str, quote: str, lines: list[str], at: int, place: Span
) -> tuple[str, int]:
    """Return a string over several lines and the line to go on with."""
    parts = [first]
    while quote not in parts[-1]:
        if at >= len(lines):
            raise _wrong(f"the string is not closed by {quote}", place)
        parts.append(lines[at])
        at += 1
    last, _, rest = parts[-1].partition(quote)
    if rest.strip() and not rest.strip().startswith("#"):
        raise _wrong(f"text after the closing {quote}", place)
    parts[-1] = last
    return "\n".join(parts), at


def _unquote(text: str) -> str:
    """Take one pair of quotes away."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _wrong(what: str, place: Span) -> ConfigError:
    return ConfigError(
        what,
        code="artifacts.config-syntax",
        span=place,
        hint="`dvc config --list` shows what DVC makes of the file",
    )
