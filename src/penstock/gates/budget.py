"""The budget of error: which level each test gets, so that all of them keep the user's promise.

A test set judges several models. What later models may have learnt from earlier verdicts decides
how many models it could possibly judge, and the error ``1 - reliability`` is shared by all of these
(Renggli et al. 2019, "Continuous integration of machine learning models with ease.ml/ci"):

    none          steps                   later models do not depend on earlier verdicts
    firstChange   steps                   the test set is retired after its first pass
    passes(B)     sum of C(steps, i), i <= B    retired after its B-th pass
    full          2^steps                 every later model may depend on every earlier verdict

>>> models("none", 32), models("firstChange", 32), models("passes(3)", 32), models("full", 32)
(32, 32, 5488, 4294967296)
"""

from __future__ import annotations

import math
import re

from penstock.errors import ConfigError, Span
from penstock.gates.conditions import GateSpec

_PASSES = re.compile(r"passes\(\s*([1-9][0-9]{0,5})\s*\)")


def passes(adaptivity: str, steps: int, *, span: Span | None = None) -> int:
    """Return after how many passes a test set is retired.

    Raises:
        ConfigError: ``gates.adaptivity`` for an unknown word.

    >>> passes("firstChange", 32), passes("passes(3)", 32), passes("full", 32)
    (1, 3, 32)
    """
    words = {"none": steps, "firstchange": 1, "first-change": 1, "full": steps}
    found = words.get(adaptivity.strip().lower())
    if found is not None:
        return found
    match = _PASSES.fullmatch(adaptivity.strip())
    if match is None:
        raise ConfigError(
            f"unknown adaptivity {adaptivity!r}",
            code="gates.adaptivity",
            hint="none, firstChange, passes(3) or full",
            span=span,
        )
    return min(int(match[1]), steps)


def models(adaptivity: str, steps: int) -> int:
    """Return how many different models a test set could be asked to judge."""
    most = passes(adaptivity, steps)
    if adaptivity.strip().lower() in {"none", "firstchange", "first-change"}:
        return steps
    if adaptivity.strip().lower() == "full":
        return int(2**steps)
    return sum(math.comb(steps, passed) for passed in range(1, most + 1))


def level(spec: GateSpec) -> float:
    """Return the error that one judgement of one model may spend.

    >>> level(GateSpec((), reliability=0.999, steps=32))
    3.125...e-05
    """
    return (1 - spec.reliability) / models(spec.adaptivity, spec.steps)
