"""Two small pictures as SVG: a distribution beside another, and a number over time."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence

from penstock.monitors.reference import Feature

WIDTH = 320.0
MOST_BARS = 30
TEXT = 12.0
"""Height of a line of text."""
MOST = 10.0
"""Times the limit, above which a number over time is drawn at the edge."""


def bars(feature: Feature, counts: Sequence[int]) -> str:
    """Return the shares of a feature's cells: wide bars for the reference, narrow for now.

    Args:
        feature: of the reference.
        counts: of the last window, in the same cells.
    """
    labels = feature.cells.labels
    was_total, is_total = max(int(feature.counts.sum()), 1), max(sum(counts), 1)
    cells = [
        (label, int(a) / was_total, b / is_total)
        for label, a, b in zip(labels, feature.counts, counts, strict=True)
        if a or b
    ]
    if len(cells) > MOST_BARS:
        rest = cells[MOST_BARS - 1 :]
        cells = cells[: MOST_BARS - 1]
        cells.append(("others", sum(one[1] for one in rest), sum(one[2] for one in rest)))
    top = max((max(a, b) for _, a, b in cells), default=1.0) or 1.0
    height, step = 110.0, WIDTH / max(len(cells), 1)
    parts = []
    for k, (label, was, now) in enumerate(cells):
        x = k * step
        said = html.escape(f"{label}: {was:.1%} in training, {now:.1%} now")
        wide = _bar("was", x + step * 0.08, step * 0.84, was / top, height)
        narrow = _bar("is", x + step * 0.28, step * 0.44, now / top, height)
        parts.append(f"<g><title>{said}</title>{wide}{narrow}</g>")
    first, last = (html.escape(cells[0][0]), html.escape(cells[-1][0])) if cells else ("", "")
    ends = (
        f'<text class="tick" x="0" y="{height + 14:g}">{first}</text>'
        f'<text class="tick" x="{WIDTH:g}" y="{height + 14:g}" text-anchor="end">{last}</text>'
    )
    title = f"{feature.name}: training data and now"
    return _svg("bars", WIDTH, height + 18, title, "".join(parts) + ends)


def course(
    points: Sequence[tuple[float, float]],
    *,
    limit: float | None,
    title: str,
    height: float = 180.0,
    beside: Sequence[tuple[float, float]] = (),
) -> str:
    """Return a number over time, with a dashed line at its limit.

    What is more than `MOST` times the limit is drawn at the upper edge: else the limit, and all
    that happens near it, could not be seen.

    Args:
        points: (seconds since the epoch, value), in the order of time.
        limit: what must not be exceeded.
        title: what a screen reader says.
        height: of the picture.
        beside: another number over the same time, drawn thin.
    """
    width = WIDTH if height < 120 else 760.0
    left, bottom = 44.0, height - 22.0
    every = [*points, *beside]
    top = max([value for _, value in every] + [limit or 0.0]) * 1.1 or 1.0
    cut = bool(limit) and top > MOST * (limit or 0.0)
    top = MOST * limit if cut and limit else top
    start, end = min(one[0] for one in every), max(one[0] for one in every)

    def at(moment: float, value: float) -> tuple[float, float]:
        share = (moment - start) / (end - start) if end > start else 0.5
        return left + share * (width - left - 8), bottom - min(value / top, 1.0) * (bottom - 10)

    path, thin = (
        " L".join("{:.1f} {:.1f}".format(*at(*one)) for one in sorted(line))
        for line in (points, beside)
    )
    dots = "".join(
        f'<circle class="{"bad" if limit is not None and value > limit else "good"}" '
        f'cx="{x:.1f}" cy="{y:.1f}" r="2.5"><title>{_day(moment)}: {value:.3g}</title></circle>'
        for moment, value, (x, y) in ((*one, at(*one)) for one in points)
    )
    highest = f"{'&gt; ' if cut else ''}{top:.3g}"
    parts = [
        f'<line class="axis" x1="{left:g}" y1="{bottom:g}" x2="{width:g}" y2="{bottom:g}"/>',
        f'<text class="tick" x="{left:g}" y="{height - 6:g}">{_day(start)}</text>',
        f'<text class="tick" x="{width:g}" y="{height - 6:g}" text-anchor="end">{_day(end)}</text>',
        f'<path class="line" d="M{path}"/>',
        dots,
    ]
    if len(beside) > 1:
        parts.append(f'<path class="beside" d="M{thin}"/>')
    _, y = at(start, limit if limit is not None else top)
    if bottom - y > TEXT:  # else the number at the limit would lie over it
        parts.append(
            f'<text class="tick" x="{left - 6:g}" y="{bottom:g}" text-anchor="end">0</text>'
        )
    if limit is None or y > 10 + TEXT:
        parts.append(
            f'<text class="tick" x="{left - 6:g}" y="14" text-anchor="end">{highest}</text>'
        )
    if limit is not None:
        parts.append(
            f'<line class="limit" x1="{left:g}" y1="{y:.1f}" x2="{width:g}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{left - 6:g}" y="{y + 4:.1f}" text-anchor="end">'
            f"{limit:.3g}</text>"
        )
    return _svg("course", width, height, title, "".join(parts))


def _bar(css: str, x: float, width: float, share: float, height: float) -> str:
    tall = share * (height - 4)
    return (
        f'<rect class="{css}" x="{x:.1f}" y="{height - tall:.1f}" '
        f'width="{width:.1f}" height="{tall:.1f}"/>'
    )


def _svg(css: str, width: float, height: float, title: str, content: str) -> str:
    return (
        f'<svg class="{css}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img"><title>{html.escape(title)}</title>{content}</svg>'
    )


def _day(moment: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(moment))
