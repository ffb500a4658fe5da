"""A rollout as a picture: the challenger's weight, the evidence against it, its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.domain.rollout import RolloutPhase
from penstock.reports.svg import Scale, axes, line, path, picture, tag, ticks, words
from penstock.reports.words import number

_WIDTH = 900.0
_LEFT, _RIGHT = 58.0, 880.0
_WEIGHT = (34.0, 112.0)
_EVIDENCE = (160.0, 282.0)
_REQUESTS = (330.0, 408.0)
_HEIGHT = 452.0
_LOWEST = -0.6
"""Evidence for the challenger is cut here: how good it looks matters less than how bad."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A moment at which the weight changed: seconds, percent, and what it is called."""

    time: float
    weight: float
    name: str


def timeline(rollout: Mapping[str, Any], events: Sequence[Event] = ()) -> str:
    """Draw a rollout over time; nothing when it was not looked at twice.

    Args:
        rollout: its record. Its looks may be thinned out; turns are taken from the events.
        events: of the journal, at least the rollout's.
    """
    mine = [one for one in events if one.subject == rollout.get("id")]
    looks = [one for one in rollout.get("looks") or () if one["phase"] != RolloutPhase.STARTING]
    course = _from_events(mine) or _from_looks(looks)
    if len(looks) < 2 or not course:
        return ""
    start, end = min(course[0].time, float(looks[0]["time"])), _end(looks, course)
    # One look later than the end: what is beyond it is drawn to the edge.
    shown = [k for k, one in enumerate(looks) if float(one["time"]) <= end]
    looks = looks[: len(shown) + 1]
    times = [float(one["time"]) - start for one in looks]
    course = [replace(one, time=one.time - start) for one in course]
    x = Scale(0.0, max(end - start, 0.1), _LEFT, _RIGHT)
    parts = [_weights(course, x), _evidence(looks, times, x), _requests(looks, times, x)]
    return picture(_WIDTH, _HEIGHT, "canary timeline", parts, "timeline")


def _from_events(events: Sequence[Event]) -> list[Turn]:
    turns = []
    for one in events:
        weight = one.data.get("weight")
        if one.type is EventType.ROLLOUT_STEPPED and weight is not None:
            name = f"{float(weight):g} %" if weight else "shadow"
            turns.append(Turn(one.time, float(weight), name))
        elif one.type in (EventType.ROLLOUT_ROLLED_BACK, EventType.ROLLOUT_ABORTED):
            turns.append(Turn(one.time, 0.0, "rolled back"))
    return turns


def _from_looks(looks: Sequence[Mapping[str, Any]]) -> list[Turn]:
    turns: list[Turn] = []
    for one in looks:
        weight = float(one["weight"])
        name = f"{weight:g} %" if weight else "shadow"
        if one["phase"] in (RolloutPhase.ROLLED_BACK, RolloutPhase.ROLLING_BACK):
            name = "rolled back"
        if not turns or turns[-1].name != name:
            turns.append(Turn(float(one["time"]), weight, name))
    return turns


def _end(looks: Sequence[Mapping[str, Any]], course: Sequence[Turn]) -> float:
    """Return the time at which the picture ends: not long after a calm probation has begun.

    A return during the probation is what the picture is about: then everything is shown.
    """
    last = float(looks[-1]["time"])
    late = [float(one["time"]) for one in looks if one["phase"] == RolloutPhase.PROBATION]
    if not late or course[-1].name == "rolled back":
        return max(last, course[-1].time)
    begin, turn = course[0].time, max(course[-1].time, course[0].time)
    return min(last, turn + max((turn - begin) * 0.3, 1.0))


def _weights(course: Sequence[Turn], x: Scale) -> str:
    top, bottom = _WEIGHT
    y = Scale(0, 100, bottom, top)
    frame = axes(x, y, y_label="traffic of the challenger, %", y_ticks=(0, 50, 100))
    points, names, free = [(x(course[0].time), y(0))], [], -1e9
    for one in course:
        at = x(one.time)
        points += [(at, points[-1][1]), (at, y(one.weight))]
        wide = 7.0 * len(one.name)
        late = at + 5 + wide > _RIGHT
        place = y(one.weight) - 6 if one.weight < 60 else y(one.weight) + 14
        if at > free or late:
            where, anchor = (_RIGHT, "end") if late else (at + 5, "start")
            names.append(words(where, place, one.name, "name", anchor))
            free = at + wide
    points.append((_RIGHT, points[-1][1]))
    area = path([*points, (_RIGHT, y(0))], "area", close=True)
    return frame + area + path(points, "step") + "".join(names)


def _evidence(looks: Sequence[Mapping[str, Any]], times: Sequence[float], x: Scale) -> str:
    top, bottom = _EVIDENCE
    highest = max((float(v) for one in looks for v in _of(one).values()), default=1.0)
    y = Scale(_LOWEST, min(max(1.25, highest * 1.1), 2.0), bottom, top)
    label = "evidence against the challenger, as a share of what rolls it back"
    frame = axes(x, y, y_label=label, y_ticks=(-0.5, 0, 0.5, 1), y_text="{:.1f}")
    parts = [
        frame,
        tag(
            "rect",
            css="alarm-zone",
            x=_LEFT,
            y=top,
            width=_RIGHT - _LEFT,
            height=max(y(1) - top, 0),
        ),
    ]
    parts.append(line(_LEFT, y(1), _RIGHT, y(1), "bound"))
    names = sorted({name for one in looks for name in _of(one)})
    for index, name in enumerate(names):
        known = [
            (t, float(_of(one)[name]))
            for one, t in zip(looks, times, strict=True)
            if name in _of(one)
        ]
        parts.append(path([(x(t), y(v)) for t, v in known], f"rule rule-{index % 5}"))
        crossed = next(((t, v) for t, v in known if v >= 1), None)
        if crossed is not None:
            parts.append(tag("circle", css="alarm", cx=x(crossed[0]), cy=y(crossed[1]), r=5))
        spot = _LEFT + 6 + index * 118
        parts.append(line(spot, bottom + 12, spot + 18, bottom + 12, f"rule rule-{index % 5}"))
        parts.append(words(spot + 24, bottom + 16, name, "legend"))
    parts.append(words(_RIGHT - 4, y(1) - 5, "rolls back", "limit", "end"))
    return "".join(parts)


def _of(look: Mapping[str, Any]) -> dict[str, Any]:
    return dict(look.get("evidence") or {})


def _requests(looks: Sequence[Mapping[str, Any]], times: Sequence[float], x: Scale) -> str:
    top, bottom = _REQUESTS
    counts = [int(one.get("requests") or 0) for one in looks]
    errors = [int(one.get("errors") or 0) for one in looks]
    y = Scale(0, max(*counts, 1), bottom, top)
    marks = [t for t in ticks(0, max(*counts, 1), 3) if t == int(t)]
    seconds = ticks(x.low, x.high, 8)
    frame = axes(
        x,
        y,
        x_label="seconds since the challenger was ready",
        y_label="requests of the challenger so far",
        x_ticks=seconds,
        y_ticks=marks,
        y_text="{:,.0f}",
    )
    points = [(x(t), y(n)) for t, n in zip(times, counts, strict=True)]
    failed = [(x(t), y(n)) for t, n in zip(times, errors, strict=True)]
    area = path([(points[0][0], y(0)), *points, (points[-1][0], y(0))], "area quiet", close=True)
    said = f"{number(counts[-1])} requests, {number(errors[-1])} failed"
    label = words(_RIGHT - 4, top - 9, said, "legend", "end")
    return frame + area + path(points, "step") + path(failed, "errors") + label
