"""What a stage asks for under `meta: penstock:`: cores, memory, limits, time-outs, retries."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from penstock.domain.pipeline import Resources
from penstock.pipeline.schema import near

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)(i?)[bB]?")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KEYS = ("cpus", "memory", "gpus", "limit", "timeout", "retries", "delay", "env")

Report = Callable[[tuple[str, ...], str, str, str | None], None]
"""Takes the path below `meta: penstock:`, a code, a message and a hint."""


def size(value: Any) -> int | None:
    """Read an amount of memory: ``2GB``, ``512 MiB`` or bytes; None when it is not one.

    >>> size("2GB"), size("1.5 GiB"), size(4096)
    (2000000000, 1610612736, 4096)
    """
    if isinstance(value, bool) or value is None:
        return None
    found = _SIZE.fullmatch(str(value).strip())
    if not found:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])


def seconds(value: Any) -> float | None:
    """Read a time: ``90``, ``90s``, ``10m``, ``2h``; None when it is not one.

    >>> seconds("10m"), seconds(1.5)
    (600.0, 1.5)
    """
    if isinstance(value, bool) or value is None:
        return None
    found = _TIME.fullmatch(str(value).strip())
    return float(found[1]) * _SECONDS[found[2] or "s"] if found else None


def read(meta: Any, report: Report) -> Resources:
    """Read the settings of one stage; whatever is wrong goes to `report`."""
    wanted: Any = meta.get("penstock") if isinstance(meta, dict) else None
    if wanted is None:
        return Resources()
    if not isinstance(wanted, dict):
        report((), "type", "`penstock` under meta must be a mapping", None)
        return Resources()
    for key in wanted:
        if key not in _KEYS:
            report((str(key),), "unknown-key", f"meta.penstock has no {key!r}", near(key, _KEYS))

    def take(key: str, read_one: Callable[[Any], Any], default: Any, example: str) -> Any:
        if key not in wanted:
            return default
        value = read_one(wanted[key])
        if value is None:
            message = f"{key} cannot be {wanted[key]!r}"
            report((key,), "value", message, f"for example `{key}: {example}`")
            return default
        return value

    retries, delay = wanted.get("retries"), 1.0
    if isinstance(retries, dict):
        delay = take_delay(retries, report)
        wanted = {**wanted, "retries": retries.get("times")}
    return Resources(
        cpus=take("cpus", _positive, 1.0, "2"),
        memory=take("memory", size, 0, "4GB"),
        gpus=take("gpus", _whole, 0, "1"),
        limits=take("limit", _limits, (), "{database: 2}"),
        timeout=take("timeout", seconds, None, "10m"),
        retries=take("retries", _whole, 0, "3"),
        delay=take("delay", seconds, delay, "5s"),
        env=take("env", _env, (), "{DEVICE: cpu}"),
        threads=math.ceil(_positive(wanted.get("cpus")) or 0.0),
    )


def take_delay(retries: dict[Any, Any], report: Report) -> float:
    """Read the `delay` of ``retries: {times: 3, delay: 5s}``, one second when it is not given."""
    value = seconds(retries.get("delay", 1.0))
    if value is None:
        message = f"delay cannot be {retries['delay']!r}"
        report(("retries", "delay"), "value", message, "for example `delay: 5s`")
    return 1.0 if value is None else value


def _positive(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if good else None


def _whole(value: Any) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return int(value) if good else None


def _limits(value: Any) -> tuple[tuple[str, int], ...] | None:
    if isinstance(value, str):
        return ((value, 1),)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple((one, 1) for one in value)
    if not isinstance(value, dict):
        return None
    pairs = tuple((str(name), most) for name, most in value.items())
    good = all(isinstance(most, int) and most is not True and most > 0 for _, most in pairs)
    return pairs if good else None


def _env(value: Any) -> tuple[tuple[str, str], ...] | None:
    if not isinstance(value, dict):
        return None
    pairs = []
    for name, item in value.items():
        if isinstance(item, dict | list) or "=" in str(name) or "\0" in f"{name}{item}":
            return None
        text = "" if item is None else str(item).lower() if isinstance(item, bool) else str(item)
        pairs.append((str(name), text))
    return tuple(pairs)
