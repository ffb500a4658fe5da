"""Small pictures as SVG text: elements, scales and axes. Colours come from the page's CSS."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Attribute = str | float | int | None


def tag(name: str, content: str = "", **attributes: Attribute) -> str:
    """Return an element; underscores in names become hyphens, `css` becomes ``class``.

    >>> tag("circle", css="dot", cx=1.25, stroke_width=2)
    '<circle class="dot" cx="1.25" stroke-width="2"/>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        plain = "class" if key == "css" else key.replace("_", "-")
        parts.append(f'{plain}="{html.escape(shown, quote=True)}"')
    opening = " ".join(parts)
    return f"<{opening}>{content}</{name}>" if content else f"<{opening}/>"


def words(x: float, y: float, content: str, css: str = "", anchor: str = "start") -> str:
    """Return text at a place."""
    escaped = html.escape(content)
    return tag("text", escaped, x=round(x, 2), y=round(y, 2), css=css or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """Return a straight line."""
    a, b, c, d = (round(one, 2) for one in (x1, y1, x2, y2))
    return tag("line", css=css, x1=a, y1=b, x2=c, y2=d)


def path(points: Iterable[tuple[float, float]], css: str, *, close: bool = False) -> str:
    """Return a line through points."""
    steps = " L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return tag("path", css=css, d=f"M{steps}{' Z' if close else ''}") if steps else ""


def picture(width: float, height: float, title: str, parts: Iterable[str], css: str = "") -> str:
    """Return a whole picture that scales with the page; `title` is what a screen reader says."""
    content = tag("title", html.escape(title)) + "".join(parts)
    return tag(
        "svg",
        content,
        css=f"picture {css}".strip(),
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value; values outside are set to the edge."""
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers between two values.

    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(0.83, 0.93)
    [0.84, 0.86, 0.88, 0.9, 0.92]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(about, 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def axes(
    x: Scale,
    y: Scale,
    *,
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[float] = (),
    y_ticks: Sequence[float] = (),
    x_text: str = "{:g}",
    y_text: str = "{:g}",
) -> str:
    """Return a frame with grid lines, numbers and labels for two scales (y grows upwards)."""
    bottom, top, left, right = y.start, y.end, x.start, x.end
    parts = []
    for value in y_ticks:
        place = y(value)
        parts.append(line(left, place, right, place, "grid"))
        parts.append(words(left - 7, place + 3.5, y_text.format(value), "tick", "end"))
    for value in x_ticks:
        place = x(value)
        parts.append(line(place, bottom, place, bottom + 4, "axis"))
        parts.append(words(place, bottom + 16, x_text.format(value), "tick", "middle"))
    parts.append(line(left, bottom, right, bottom, "axis"))
    if x_label:
        parts.append(words((left + right) / 2, bottom + 32, x_label, "label", "middle"))
    if y_label:
        parts.append(words(left, top - 9, y_label, "label"))
    return "".join(parts)
