"""The pipeline as a picture: stages from left to right, with outcome and duration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.domain.run import StageOutcome, StageRun
from penstock.reports.svg import picture, tag, words
from penstock.reports.words import seconds

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 138.0, 46.0, 42.0, 12.0, 2.0
_LONGEST_NAME = 17

SAID = {
    StageOutcome.RAN: "ran",
    StageOutcome.UNCHANGED: "unchanged",
    StageOutcome.RESTORED: "from cache",
    StageOutcome.FAILED: "failed",
    StageOutcome.BLOCKED: "blocked",
    StageOutcome.CANCELLED: "cancelled",
    StageOutcome.FROZEN: "frozen",
}


def needs(stages: Sequence[StageRun]) -> dict[str, list[str]]:
    """Return stage -> stages whose outputs it reads, by the paths that the run recorded."""
    makers = [(out.path.rstrip("/"), one.stage) for one in stages for out in one.outs]
    found: dict[str, list[str]] = {}
    for one in stages:
        wanted = [dep.path.rstrip("/") for dep in one.deps]
        found[one.stage] = sorted(
            {
                maker
                for path, maker in makers
                for dep in wanted
                if maker != one.stage and _touch(path, dep)
            }
        )
    return found


def _touch(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def layers(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return stages column by column: each stands right of everything that it needs.

    >>> layers({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]})
    [['a'], ['b', 'c'], ['d']]
    """
    depth: dict[str, int] = {}

    def measure(name: str, above: frozenset[str]) -> int:
        if name not in depth:
            below = [n for n in edges.get(name, ()) if n in edges and n not in above]
            depth[name] = 1 + max((measure(n, above | {name}) for n in below), default=-1)
        return depth[name]

    for name in edges:
        measure(name, frozenset())
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name in sorted(depth):
        columns[depth[name]].append(name)
    return _ordered(columns, edges)


def _ordered(columns: list[list[str]], edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Put each stage beside what it needs, so that few lines cross."""
    place: dict[str, float] = {}
    for column in columns:

        def wish(name: str) -> tuple[float, str]:
            found = [place[n] for n in edges[name] if n in place]
            return (sum(found) / len(found) if found else 0.5, name)

        column.sort(key=wish)
        for index, name in enumerate(column):
            place[name] = (index + 0.5) / len(column)
    return columns


def pipeline_graph(stages: Sequence[StageRun]) -> str:
    """Draw the stages of a run; nothing when there are none."""
    if not stages:
        return ""
    edges = needs(stages)
    columns = layers(edges)
    tallest = max(len(column) for column in columns)
    height = tallest * (_HEIGHT + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X + 2 * _MARGIN
    corners: dict[str, tuple[float, float]] = {}
    for index, column in enumerate(columns):
        used = len(column) * (_HEIGHT + _GAP_Y) - _GAP_Y
        top = (height - used) / 2
        for row, name in enumerate(column):
            corners[name] = (_MARGIN + index * (_WIDTH + _GAP_X), top + row * (_HEIGHT + _GAP_Y))
    parts = [_edge(corners[a], corners[b]) for b in edges for a in edges[b]]
    parts += [_node(one, *corners[one.stage]) for one in stages]
    return picture(width, height, f"pipeline of {len(stages)} stages", parts, "graph")


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2
    x2, y2 = end[0], end[1] + _HEIGHT / 2
    bend = max((x2 - x1) / 2, 18)
    curve = (
        f"M{x1:.1f} {y1:.1f} C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    )
    return tag("path", css="edge", d=curve)


def _node(one: StageRun, x: float, y: float) -> str:
    name = one.stage if len(one.stage) <= _LONGEST_NAME else one.stage[: _LONGEST_NAME - 1] + "…"
    said = SAID[one.outcome]
    if one.outcome in (StageOutcome.RAN, StageOutcome.FAILED) and one.seconds:
        said += f" · {seconds(one.seconds)}"
    box = tag("rect", x=x, y=y, width=_WIDTH, height=_HEIGHT, rx=8)
    strip = tag("rect", css="strip", x=x, y=y + 9, width=3.0, height=_HEIGHT - 18, rx=1.5)
    title = tag("title", words_of(one))
    inside = words(x + 13, y + 20, name, "name") + words(x + 13, y + 36, said, "said")
    return tag("g", title + box + strip + inside, css=f"node {one.outcome.value}")


def words_of(one: StageRun) -> str:
    """Return why a stage ran, as the tip of its box."""
    import html

    return html.escape(f"{one.stage}: {SAID[one.outcome]}. " + "; ".join(one.reasons))
