"""Which trial wins, with one objective or several."""

from __future__ import annotations

import math
from collections.abc import Sequence

from penstock.tuning.space import Objective


def better(one: Sequence[float], other: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether values are better in one objective at least, and all in all.

    >>> both = (Objective("loss", "minimize"), Objective("accuracy", "maximize"))
    >>> better((0.2, 0.9), (0.3, 0.9), both), better((0.3, 0.9), (0.3, 0.9), both)
    (True, False)
    """
    gains = [rule.sign * (a - b) for a, b, rule in zip(one, other, objectives, strict=True)]
    return any(gain > 0 for gain in gains)


def front(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[int]:
    """Return the places of the values that no other beats in all objectives (the Pareto front).

    >>> both = (Objective("loss", "minimize"), Objective("seconds", "minimize"))
    >>> front([(0.2, 9.0), (0.3, 1.0), (0.3, 2.0)], both)
    [0, 1]
    """
    scaled = [
        tuple(rule.sign * value for value, rule in zip(row, objectives, strict=True))
        for row in values
    ]

    def beaten(row: tuple[float, ...]) -> bool:
        return any(
            other != row and all(a >= b for a, b in zip(other, row, strict=True))
            for other in scaled
        )

    return [place for place, row in enumerate(scaled) if not beaten(row)]


def winner(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> int | None:
    """Return the place of the winner, None when there are no values.

    With several objectives: of the front, the one nearest to the best value of each, where each
    objective's range on the front counts as one (compromise programming, Zeleny 1973). The
    earliest wins where several are equal.

    >>> both = (Objective("loss", "minimize"), Objective("seconds", "minimize"))
    >>> winner([(0.2, 9.0), (0.21, 1.0), (0.9, 0.9)], both)
    1
    """
    places = [
        place
        for place in front(values, objectives)
        if all(math.isfinite(value) for value in values[place])
    ]
    if not places:
        return None
    columns = range(len(objectives))
    rows = [[objectives[c].sign * values[place][c] for c in columns] for place in places]
    best = [max(row[c] for row in rows) for c in columns]
    width = [best[c] - min(row[c] for row in rows) or 1.0 for c in columns]
    distance = [sum(((best[c] - row[c]) / width[c]) ** 2 for c in columns) for row in rows]
    return places[distance.index(min(distance))]
