"""Plain scalars of YAML 1.2, read as DVC reads them.

PyYAML follows YAML 1.1, where ``on`` is true, ``1e3`` is text and ``010`` is eight. DVC reads its
files with ruamel.yaml by the rules of YAML 1.2 (the core schema, with underscores and ``0b`` in
numbers); so do we, so that one file never means two things.

Source: https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

_WORDS: dict[str, bool | float | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + "." + word: float("inf") for sign in ("", "+") for word in ("inf", "Inf", "INF")},
    **{"-." + word: float("-inf") for word in ("inf", "Inf", "INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMERIC = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9_]+(?:[eE][-+][0-9]+)?)"
)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?"
)
_MAX_DIGITS = 4000
"""Python refuses to turn longer texts into whole numbers; such a scalar stays text."""


def resolve(text: str, *, dates: bool = False) -> Any:
    """Return the value of a plain (unquoted) scalar.

    Args:
        text: as it stands in the file.
        dates: whether ``2013-01-31`` becomes a `datetime.date`, as in DVC; else it stays text.

    >>> [resolve(text) for text in ("010", "1e3", "on", "0o17", "", "12:30")]
    [10, 1000.0, 'on', 15, None, '12:30']
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    try:
        if _INT.fullmatch(text) and len(text) < _MAX_DIGITS:
            return whole(text)
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
    except ValueError:  # only underscores where digits should be
        return text
    if dates and text[0].isdigit() and "-" in text:
        return _date(text)
    return text


def whole(text: str) -> int:
    """Return the value of a whole number; ValueError when it is none.

    >>> whole("-0x1F"), whole("1_000")
    (-31, 1000)
    """
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    radix = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    if radix != 10 and not digits[2:]:
        return 0
    return sign * int(digits[2:] if radix != 10 else digits, radix)


def _date(text: str) -> Any:
    try:
        if match := _DATE.fullmatch(text):
            return dt.date(*map(int, match.groups()))
        if _TIME.fullmatch(text):
            return dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return text
