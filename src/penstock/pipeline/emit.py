"""Entries of dvc.lock as text, byte for byte as DVC's YAML library writes them.

That library takes a millisecond and more for a stage, and fifty to load. So the ordinary entry is
written here; whatever might be quoted, folded or escaped is left to the library itself.
"""

from __future__ import annotations

import re
from typing import Any

_WIDTH = 80
_SAFE = re.compile(r"[A-Za-z0-9_./][ -~]*")
_UNSAFE = re.compile(r":(?= |$)| #| $")
_NUMBERISH = frozenset("0123456789.")
_SURELY_TEXT = re.compile(r"[acdfghjklmnpqrsuvwyACDFGHJKLMNPQRSUVWY/]")
_WORDS = frozenset(
    ("null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", "~", "=", "<<")
)


class _Unusual(Exception):  # noqa: N818 - not an error: it says who must write the entry
    """The entry is for the library."""


def stage_block(name: str, entry: dict[str, Any]) -> str:
    """Return the lines of one stage below ``stages:``, indented by two.

    >>> print(stage_block("a", {"cmd": "true", "outs": [{"path": "x", "size": 3}]}), end="")
      a:
        cmd: 'true'
        outs:
        - path: x
          size: 3
    """
    try:
        lines: list[str] = []
        _mapping({name: entry}, 2, lines)
        return "\n".join(lines) + "\n"
    except _Unusual:
        text = by_library({"stages": {name: entry}})
        return text.partition("\n")[2]


def entry_text(entry: dict[str, Any]) -> str:
    """Return an entry on its own, as it stands in the run cache."""
    try:
        lines: list[str] = []
        _mapping(entry, 0, lines)
        return "\n".join(lines) + "\n"
    except _Unusual:
        return by_library(entry)


def by_library(data: Any) -> str:
    """Write plain values the way DVC does, through ruamel.yaml.

    When that library folds a long text at a double space, one of the two is lost; such a text is
    written without folds, so that what is read back is what was meant.
    """
    from penstock.config import source

    text = _dump(data, None)
    if source.read(text).value != data:
        text = _dump(data, 1_000_000)
    return text


def _dump(data: Any, width: int | None) -> str:
    import io

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    if width:
        yaml.width = width
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _mapping(data: dict[Any, Any], indent: int, lines: list[str], first: str = "") -> None:
    pad = " " * indent
    for key, value in data.items():
        if not isinstance(key, str) or len(key) > 100:
            raise _Unusual
        start = (first or pad) + _text(key, indent) + ":"
        first = ""
        if isinstance(value, dict) and value:
            lines.append(start)
            _mapping(value, indent + 2, lines)
        elif isinstance(value, list) and value:
            lines.append(start)
            _sequence(value, indent, lines)
        else:
            lines.append(f"{start} {_scalar(value, len(start) + 1)}")


def _sequence(items: list[Any], indent: int, lines: list[str]) -> None:
    dash = " " * indent + "- "
    for item in items:
        if isinstance(item, dict) and item:
            _mapping(item, indent + 2, lines, dash)
        elif isinstance(item, list) and item:
            raise _Unusual
        else:
            lines.append(dash + _scalar(item, indent + 2))


def _scalar(value: Any, column: int) -> str:
    if isinstance(value, str):
        return _text(value, column)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        if text.replace(".", "").replace("-", "").isdecimal():
            return text
    elif value in ([], {}):
        return "[]" if isinstance(value, list) else "{}"
    raise _Unusual


def _text(value: str, column: int) -> str:
    if not _SAFE.fullmatch(value) or _UNSAFE.search(value) or "  " in value:
        raise _Unusual
    if column + len(value) > _WIDTH:
        raise _Unusual
    if value in _WORDS:
        return f"'{value}'"
    if value[0] in _NUMBERISH and (
        "x" in value[:3] or value[0] == "." or not _SURELY_TEXT.search(value)
    ):
        if value[0] == "." and "/" in value:
            return value
        raise _Unusual
    return value
