"""A rollout as a picture: the challenger's weight, the evidence against it, its requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def timeline(rollout: Mapping[str, Any]) -> str:
    """Draw the looks of a rollout over time; nothing when there are fewer than two."""
    looks = list(rollout.get("looks") or ())
    looks = _first_of_probation(looks)
    if len(looks) < 2:
        return ""
    start = float(rollout.get("started") or looks[0]["time"])
    times = [float(one["time"]) - start for one in looks]
    x = Scale(min(0.0, times[0]), max(times[-1], times[0] + 0.1), _LEFT, _RIGHT)
    parts = [_weights(looks, times, x), _evidence(looks, times, x), _requests(looks, times, x)]
    return picture(_WIDTH, _HEIGHT, "canary timeline", parts, "timeline")


def _first_of_probation(looks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep a fifth of the time at most for the probation, which is long and seldom eventful."""
    late = [k for k, one in enumerate(looks) if one["phase"] == RolloutPhase.PROBATION]
    first = late[0] if late else 0
    if not first:
        return list(looks)
    begin, turn = float(looks[0]["time"]), float(looks[first]["time"])
    latest = turn + max((turn - begin) * 0.25, 1.0)
    # A return during the probation is what the page is about: then everything is shown.
    calm = looks[-1]["phase"] in (RolloutPhase.PROBATION, RolloutPhase.PROMOTED)
    return [one for one in looks if not calm or float(one["time"]) <= latest]


def _weights(looks: Sequence[Mapping[str, Any]], times: Sequence[float], x: Scale) -> str:
    top, bottom = _WEIGHT
    y = Scale(0, 100, bottom, top)
    frame = axes(x, y, y_label="traffic of the challenger, %", y_ticks=(0, 50, 100))
    points = [(x(times[0]), y(0))]
    for index, one in enumerate(looks):
        level = y(float(one["weight"]))
        points.append((x(times[index]), points[-1][1]))
        points.append((x(times[index]), level))
    area = path([*points, (points[-1][0], y(0))], "area", close=True)
    return frame + area + path(points, "step") + _names(looks, times, x, y)


def _names(looks: Sequence[Mapping[str, Any]], times: Sequence[float], x: Scale, y: Scale) -> str:
    """Name each weight where it begins."""
    parts, last, free = [], "", -1e9
    for one, when in zip(looks, times, strict=True):
        weight = float(one["weight"])
        stepping = one["phase"] in (RolloutPhase.STEPPING, RolloutPhase.PAUSED)
        name = "shadow" if stepping and not weight else f"{weight:g} %" if weight else ""
        if one["phase"] in (RolloutPhase.ROLLED_BACK, RolloutPhase.ROLLING_BACK):
            name = "rolled back"
        if name and name != last and (x(when) > free or name == "rolled back"):
            place = y(weight) - 6 if weight < 60 else y(weight) + 14
            late = x(when) + 5 + 7.0 * len(name) > _RIGHT
            at, anchor = (_RIGHT, "end") if late else (x(when) + 5, "start")
            parts.append(words(at, place, name, "name", anchor))
            free = x(when) + 7.0 * len(name)
        last = name or last
    return "".join(parts)


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
        x_label="seconds since the rollout began",
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
