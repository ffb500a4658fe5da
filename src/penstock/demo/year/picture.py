"""The year as a picture: log loss week by week, and what each policy gained over never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from html import escape
from typing import Any

from penstock.demo.year.outcome import MONTHLY, NEVER, PENSTOCK, POLICIES, WORDS

COLOURS = {NEVER: "#8a8f98", MONTHLY: "#c0562b", PENSTOCK: "#0b6e4f"}
_WIDTH, _LEFT, _RIGHT = 960, 70, 20
_PANELS = ((70, 230), (360, 200))
"""Top and height of the two panels."""
_COLUMNS = (0, 260, 600)
"""Where the entries of the legend begin."""
_OUTCOMES = {"promoted": "#0b6e4f", "refused": "#b9770e", "rolled-back": "#b9770e"}


def picture(found: dict[str, Any]) -> str:
    """Return the picture as SVG, readable on light and dark paper."""
    weeks = found["weeks"]
    first = date.fromisoformat(weeks[0]["date"])
    last: int = found["days"]

    def across(day: str) -> float:
        passed = (date.fromisoformat(day) - first).days
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * passed / max(last, 1)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} 640" '
            'font-family="system-ui, sans-serif" font-size="13">'
        ),
        f'<rect width="{_WIDTH}" height="640" fill="#ffffff"/>',
        _text(_LEFT, 26, "A year of flights, on real labels", size=17, weight="600"),
        *_legend(found),
    ]
    losses = {one: [week["log_loss"][one] for week in weeks] for one in POLICIES}
    gains = {one: [week["gained"][one] for week in weeks] for one in POLICIES}
    dates = [week["date"] for week in weeks]
    title = "log loss, week by week (lower is better)"
    parts += _panel(_PANELS[0], title, dates, losses, across, found)
    title = "log loss saved since the start, against never retraining (higher is better)"
    parts += _panel(_PANELS[1], title, dates, gains, across, found)
    parts += _marks(found, across)
    return "\n".join([*parts, "</svg>", ""])


def _legend(found: dict[str, Any]) -> list[str]:
    parts = []
    for number, name in enumerate(POLICIES):
        one = found["policies"][name]
        x = _LEFT + _COLUMNS[number]
        words = f"{WORDS[name]}: {one['log_loss']:.4f}, {one['trainings']} trainings"
        parts.append(f'<rect x="{x}" y="38" width="14" height="4" fill="{COLOURS[name]}"/>')
        parts.append(_text(x + 20, 45, words))
    return parts


def _panel(
    place: tuple[int, int],
    title: str,
    dates: Sequence[str],
    lines: dict[str, list[float]],
    across: Callable[[str], float],
    found: dict[str, Any],
) -> list[str]:
    top, height = place
    values = [value for line in lines.values() for value in line]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or 1.0
    low, high = low - room, high + room

    def down(value: float) -> float:
        return top + height * (high - value) / (high - low)

    parts = [_text(_LEFT, top - 8, title, colour="#444")]
    for number in range(5):
        value = low + (high - low) * number / 4
        y = down(value)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="#e3e5e8"/>'
        )
        parts.append(
            _text(
                _LEFT - 8,
                y + 4,
                f"{value:,.0f}" if abs(value) >= 10 else f"{value:.3g}",
                anchor="end",
                colour="#666",
            )
        )
    for one in found["champions"][1:]:
        x = across(one["date"])
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + height}" '
            'stroke="#0b6e4f" stroke-dasharray="3 3" opacity="0.7"/>'
        )
    for name in POLICIES:
        pairs = zip(dates, lines[name], strict=True)
        points = " ".join(f"{across(day):.1f},{down(value):.1f}" for day, value in pairs)
        width = 2.4 if name == PENSTOCK else 1.6
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" '
            f'stroke-width="{width}" stroke-linejoin="round"/>'
        )
    return parts


def _marks(found: dict[str, Any], across: Callable[[str], float]) -> list[str]:
    """Draw what happened on two lines below: retrainings, and the planted candidates."""
    base = _PANELS[1][0] + _PANELS[1][1] + 26
    parts = []
    for month in range(3, 13):
        day = f"2013-{month:02d}-01"
        x = across(day)
        if x <= _WIDTH - _RIGHT:
            name = date.fromisoformat(day).strftime("%b")
            parts.append(_text(x, base - 8, name, colour="#666"))
    for one in found["retrainings"]:
        x, colour = across(one["date"]), _OUTCOMES.get(one["outcome"], "#8a8f98")
        hint = f"{one['date']}: {one['outcome']} ({', '.join(one['kinds'])})"
        parts.append(_dot(x, base + 8, colour, hint))
    for one in found["planted"]:
        hint = f"{one['date']}: {one['name']}: {'; '.join(one['stopped'])}"
        parts.append(_cross(across(one["date"]), base + 28, hint))
        parts.append(_text(across(one["date"]) + 10, base + 32, one["name"], colour="#666"))
    words = "● retraining (green: promoted, amber: refused)   ✕ planted bad candidate, stopped"
    parts.append(_text(_LEFT, base + 52, f"{words}   ┆ new champion", colour="#666"))
    return parts


def _dot(x: float, y: float, colour: str, hint: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}">{_title(hint)}</circle>'


def _cross(x: float, y: float, hint: str) -> str:
    path = f"M{x - 4:.1f} {y - 4}l8 8m0 -8l-8 8"
    return f'<path d="{path}" stroke="#a61e1e" stroke-width="2.2">{_title(hint)}</path>'


def _title(hint: str) -> str:
    return f"<title>{escape(hint)}</title>"


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    weight: str = "400",
    anchor: str = "start",
    colour: str = "#1c1e21",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
    )
