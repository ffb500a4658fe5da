"""Numbers, times and outcomes as people read them."""

from __future__ import annotations

import math
import time

from penstock.domain.verdict import Outcome

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"

MARKS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✕",
    Outcome.INCONCLUSIVE: "?",
    Outcome.ERROR: "!",
}
"""Signs that say the outcome without colour."""


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with a few significant digits, thousands set apart.

    >>> number(0.914382), number(20804), number(1234.5), number(2.5e9), number(0.00012)
    ('0.9144', '20,804', '1,234', '2.5e9', '0.0001')
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = abs(value)
    if size >= 1e7:
        return f"{value:.2g}".replace("e+0", "e").replace("e+", "e")
    if float(value).is_integer() or size >= 1000:
        return f"{value:,.0f}".replace("-", MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(size))) if size else digits
    return f"{value:.{min(decimals, digits)}f}".replace("-", MINUS)


def exact(value: float | None, unit: str = "") -> str:
    """Return a number that a person wrote, as it was written.

    >>> exact(0.85), exact(0.05, "s")
    ('0.85', '50.00 ms')
    """
    if value is None:
        return NOTHING
    if unit in ("s", "bytes") or abs(value) >= 1000:
        return quantity(value, unit)
    return f"{value:g}".replace("-", MINUS) + (f" {unit}" if unit and unit != "ratio" else "")


def signed(value: float, digits: int = 4) -> str:
    """Return a difference with its sign.

    >>> signed(0.0012)
    '+0.0012'
    """
    return ("+" if value > 0 else "") + number(value, digits)


def quantity(value: float | None, unit: str) -> str:
    """Return a number with its unit: seconds and bytes in the size that reads best.

    >>> quantity(0.0032, "s"), quantity(3_200_000, "bytes"), quantity(0.91, "")
    ('3.20 ms', '3.2 MB', '0.9100')
    """
    if value is None:
        return NOTHING
    if unit == "s":
        return seconds(value)
    if unit == "bytes":
        return size(value)
    return number(value) + (f" {unit}" if unit and unit != "ratio" else "")


def seconds(value: float) -> str:
    """Return a duration.

    >>> seconds(0.0021), seconds(0.5), seconds(12.34), seconds(125), seconds(7265)
    ('2.10 ms', '0.50 s', '12.3 s', '2 min 5 s', '2 h 1 min')
    """
    if abs(value) < 0.1:
        return f"{value * 1000:.2f} ms" if value else "0 s"
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    if value < 7200:
        return f"{int(value // 60)} min {int(value % 60)} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60)} min"


def size(value: float) -> str:
    """Return bytes.

    >>> size(512), size(91_798), size(2_300_000_000)
    ('512 bytes', '91.8 kB', '2.3 GB')
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(value) >= scale:
            return f"{value / scale:.1f} {unit}"
    return f"{value:.0f} bytes"


def moment(when: float) -> str:
    """Return a time in UTC: ``2026-11-24 22:10:05 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(when))


def plural(count: int, noun: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> plural(1, "gate"), plural(3, "gate"), plural(2, "index", "indices")
    ('1 gate', '3 gates', '2 indices')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def sentence(said: str) -> str:
    """Return words as a sentence.

    >>> sentence("errors: 3 of 9"), sentence("candidate.f1 is low."), sentence("")
    ('Errors: 3 of 9.', 'candidate.f1 is low.', '')
    """
    if not said.strip():
        return ""
    named = any(letter in said.split(maxsplit=1)[0][:-1] for letter in "._(")
    first = said[0] if named else said[0].upper()
    return first + said[1:] + ("" if said.endswith((".", "!", "?")) else ".")
