"""Amounts with a unit, as people write them: `30s`, `50MB`, `5%`."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_BYTES = {
    "b": 1,
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
}
_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z%]*)\s*")


def seconds(value: object) -> float:
    """Return a duration in seconds; a bare number is seconds.

    Raises:
        ValueError: it is no duration; the message says how to write one.

    >>> seconds("1h30m"), seconds("500ms"), seconds(10)
    (5400.0, 0.5, 10.0)
    """
    hint = "write a duration such as 500ms, 30s, 5m, 2h or 1d"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(float(value), hint)
    if not isinstance(value, str) or not (parts := re.findall(r"[0-9.]+\s*[a-zA-Z]*", value)):
        raise ValueError(hint)
    if re.sub(r"\s", "", "".join(parts)) != re.sub(r"\s", "", value):
        raise ValueError(hint)
    total = 0.0
    for part in parts:
        match = _AMOUNT.fullmatch(part)
        if match is None or (match[2] or "s").lower() not in _SECONDS:
            raise ValueError(hint)
        total += float(match[1]) * _SECONDS[(match[2] or "s").lower()]
    return _finite(total, hint)


def size(value: object) -> int:
    """Return a size in bytes; the unit must be said.

    Raises:
        ValueError: it is no size; the message says how to write one.

    >>> size("50MB"), size("1 GiB")
    (50000000, 1073741824)
    """
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError("write a size with its unit, such as 50MB or 2GiB")
    return round(float(match[1]) * int(_BYTES[match[2].lower()]))


def percent(value: object) -> float:
    """Return a percentage between 0 and 100; a bare number is percent.

    Raises:
        ValueError: it is none; the message says how to write one.

    >>> percent("5%"), percent(25)
    (5.0, 25.0)
    """
    number = _number(value, percent_sign=1.0)
    if number is None or not 0 <= number <= 100:
        raise ValueError("write a percentage between 0% and 100%, such as 5%")
    return number


def share(value: object) -> float:
    """Return a share between 0 and 1, also written as a percentage.

    Raises:
        ValueError: it is none; the message says how to write one.

    >>> share("10%"), share(0.1)
    (0.1, 0.1)
    """
    number = _number(value, percent_sign=0.01)
    if number is None or not 0 <= number <= 1:
        raise ValueError("write a share such as 10% or 0.1")
    return number


def _number(value: object, *, percent_sign: float) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[2] not in ("", "%"):
        return None
    return float(match[1]) * (percent_sign if match[2] else 1.0)


def _finite(number: float, hint: str) -> float:
    if not math.isfinite(number) or number < 0:
        raise ValueError(hint)
    return number
