"""What is searched: parameters with their ranges, objectives with their directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.errors import ConfigError

DIRECTIONS = ("minimize", "maximize")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter and the values that are tried.

    Attributes:
        name: dotted, as the pipeline knows it.
        low, high: both ends of a range, both may be tried.
        log: whether orders of magnitude matter.
        integer: whether only whole numbers are tried.
        choices: values to choose from, instead of a range.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    choices: tuple[Any, ...] = ()

    def holds(self, value: Any) -> bool:
        """Whether a value is one that may be tried.

        >>> Parameter("depth", 2, 8, integer=True).holds(3)
        True
        >>> Parameter("depth", 2, 8, integer=True).holds(9)
        False
        """
        if self.choices:
            return any(value == one and type(value) is type(one) for one in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        assert self.low is not None
        assert self.high is not None
        return self.low <= value <= self.high and (not self.integer or value == int(value))


@dataclass(frozen=True, slots=True)
class Objective:
    """One metric to improve.

    Attributes:
        name: key in a metrics file, dotted; ``FILE:KEY`` where several files have it.
        direction: ``minimize`` or ``maximize``.
    """

    name: str
    direction: str

    @property
    def sign(self) -> float:
        """1.0 where more is better, -1.0 where less is."""
        return 1.0 if self.direction == "maximize" else -1.0


def objectives(metric: str, direction: str) -> tuple[Objective, ...]:
    """Read objectives: ``logloss``, or several: ``logloss minimize, accuracy maximize``.

    Args:
        metric: as in penstock.yaml.
        direction: of those that do not say one.

    Raises:
        ConfigError: ``tuning.objective``.

    >>> objectives("logloss minimize, accuracy", "maximize")[1]
    Objective(name='accuracy', direction='maximize')
    """
    found = []
    for text in metric.split(","):
        words = text.split()
        if len(words) not in (1, 2) or (len(words) == 2 and words[1] not in DIRECTIONS):
            raise ConfigError(
                f"{text.strip()!r} is not a metric to search by",
                code="tuning.objective",
                hint="write `logloss`, or several: `logloss minimize, accuracy maximize`",
            )
        found.append(Objective(words[0], words[1] if len(words) == 2 else direction))
    return tuple(found)


def space(params: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    """Read the ranges of penstock.yaml.

    Raises:
        ConfigError: ``tuning.parameter`` for a range that is none.
    """
    return {name: _parameter(name, given) for name, given in params.items()}


def _parameter(name: str, given: Mapping[str, Any]) -> Parameter:
    choices = tuple(given.get("choices") or ())
    low, high = given.get("low"), given.get("high")
    log, integer = bool(given.get("log")), bool(given.get("integer"))
    wrong = ""
    if choices:
        wrong = "gives both choices and a range" if (low, high) != (None, None) else ""
    elif low is None or high is None:
        wrong = "needs `low` and `high`, or `choices`"
    elif low > high or (log and low <= 0):
        wrong = "needs low <= high, and low > 0 where `log` is set"
    if wrong:
        raise ConfigError(
            f"the range of {name} {wrong}",
            code="tuning.parameter",
            hint=f"such as `{name}: {{low: 0.01, high: 100, log: true}}` or "
            f"`{name}: {{choices: [2, 4, 8]}}`",
        )
    if choices:
        return Parameter(name, choices=choices)
    return Parameter(name, low, high, log, integer)
