"""The bench: all models on one test set; each metric is measured once, however often asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable, classes_of, same, with_target
from penstock.gates.baselines import trivial
from penstock.gates.conditions import BASELINES, CANDIDATE, CHAMPION, Clause, Term
from penstock.gates.confusion import CONFUSION
from penstock.gates.custom import Workshop, by_function
from penstock.gates.estimates import Fixed
from penstock.gates.fairness import FAIRNESS
from penstock.gates.metrics import PER_ROW, PerQuery, PerRow, Quantity, Whole
from penstock.gates.names import METRICS
from penstock.gates.predictions import Predictions
from penstock.gates.ranking import per_query
from penstock.gates.scored import SCORED, by_sklearn
from penstock.gates.testset import TestSet

Rows = NDArray[np.int64]


class Bench:
    """The candidate, the champion and trivial models on one test set.

    Args:
        tests: the test set.
        candidate: its predictions.
        champion: its predictions, None when there is none yet.
        positive: the class that counts as positive; by default the last of two.
        clip: metric name to the level at which its unbounded loss is cut off.
        workshop: where ``module:function`` runs; by default in the current directory.
    """

    def __init__(
        self,
        tests: TestSet,
        candidate: Predictions,
        champion: Predictions | None,
        positive: Any = None,
        *,
        clip: Mapping[str, float] | None = None,
        workshop: Workshop | None = None,
    ) -> None:
        self.tests = tests
        self._clip = dict(clip or {})
        self._workshop = workshop or Workshop(Path.cwd())
        self._models: dict[str, Predictions | None] = {CANDIDATE: candidate, CHAMPION: champion}
        self._answers: dict[str, Answers] = {}
        self._quantities: dict[Term, Quantity] = {}
        self.classes = with_target(classes_of(candidate, champion), tests.target)
        if self.classes is not None and positive is None and len(self.classes) == 2:
            positive = self.classes[1]
        self.positive = positive

    def answers(self, model: str) -> Answers:
        """Return the answers of a model, by its name in conditions.

        Raises:
            Unmeasurable: when it has none.
        """
        if model not in self._answers:
            self._answers[model] = Answers(
                model, self.tests.target, self._predictions(model), self.classes, self.positive
            )
        return self._answers[model]

    def _predictions(self, model: str) -> Predictions:
        if model in BASELINES:
            return trivial(model, self.tests.target, self.classes)
        predictions = self._models[model]
        if predictions is None:
            raise Unmeasurable(f"there is no {model}")
        if not predictions.ok:
            raise Unmeasurable(f"the {model} could not be evaluated: {predictions.error}")
        return predictions

    def parts(self, clause: Clause) -> list[tuple[float, Quantity]]:
        """Return the weighted quantities of a clause.

        Raises:
            Unmeasurable: when one of them cannot be computed from the answers.
        """
        return [(term.weight, self._quantity(term)) for term in clause.terms]

    def _quantity(self, term: Term) -> Quantity:
        key = Term(term.model, term.metric, term.args, term.options)
        if key not in self._quantities:
            self._quantities[key] = self._measure(key)
        return self._quantities[key]

    def _measure(self, term: Term) -> Quantity:
        if term.metric == "changed":
            return self._changed()
        known = METRICS.get(term.metric)
        if known is not None and known.kind == "cost":
            return self._cost(term)
        answers = self.answers(term.model)
        if term.metric in PER_ROW:
            return PER_ROW[term.metric](answers, self._clipped(term))
        if term.metric in CONFUSION:
            return CONFUSION[term.metric](answers, term)
        if term.metric in SCORED:
            return SCORED[term.metric](answers, term)
        if term.metric in FAIRNESS:
            groups = self.tests.groups(str(term.args[0]))
            return FAIRNESS[term.metric](answers, groups, term)
        if known is not None and known.kind == "ranking":
            column = str(term.args[0])
            return PerQuery(per_query(answers, self.tests.groups(column), term), column)
        if ":" in term.metric:
            return by_function(answers, term, self._workshop)
        return by_sklearn(answers, term)

    def _clipped(self, term: Term) -> Term:
        """Give a term the clip of the settings, unless it has its own."""
        clip = self._clip.get(term.metric)
        if clip is None or term.option("clip") is not None:
            return term
        return replace(term, options=(*term.options, ("clip", float(clip))))

    def _changed(self) -> PerRow:
        new, old = self.answers(CANDIDATE).labels, self.answers(CHAMPION).labels
        return PerRow(~same(new, old), 0.0, 1.0)

    def _cost(self, term: Term) -> Whole:
        value = getattr(self._predictions(term.model), term.metric)
        if value is None:
            raise Unmeasurable(f"{term.words} was not measured")
        count = self._predictions(term.model).latency_n if "latency" in term.metric else 1
        return Whole(lambda _rows: Fixed(float(value), max(count, 1)))
