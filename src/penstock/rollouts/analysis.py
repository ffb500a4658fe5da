"""The analysis of a rollout: is the challenger worse than the champion, or surely not?

Sequential and anytime-valid: it may be asked after every request, and the chance that it ever
accuses a challenger that is no worse is at most the strategy's `alpha`, over all rules and looks
together. It needs nothing but counters of a champion and a challenger that serve at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.domain.rollout import Rule, RuleKind, Strategy
from penstock.domain.traffic import Counters
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.rollouts.counting import Counting, Tally
from penstock.rollouts.evidence import COPIES_SLACK, METHODS, RuleEvidence
from penstock.rollouts.gains import fine_weights
from penstock.rollouts.strategy import PROBATION_STAGES, analysed_steps
from penstock.stats.sequential import e_value
from penstock.stats.twosample import Told

_PROBATION_SHARE = 0.25
"""Share of the mixture over stages that is kept for the probation."""


_STRICT = "two-arm quantile e-process"
_FARTHEST = 5.0
"""An estimate of needed requests looks ahead at most so many times what has been seen."""


class Analysis:
    """Evidence about one challenger, as sums; grows by `look`.

    Args:
        strategy: its rules, alpha and steps.
        champion: version that it is compared with.
        challenger: version that is judged.
        item: what `to_dict` wrote, None for a beginning.

    Attributes:
        requests, errors: of the challenger so far.
        control_requests: of the champion so far.
        compared, differed: copies whose answer was compared with the champion's; those unequal.
        fresh: what the last look saw of the challenger.
        restarted: whether the last look saw that the counting process is a new one.
        rules: evidence per rule.
    """

    def __init__(
        self,
        strategy: Strategy,
        champion: str,
        challenger: str,
        item: dict[str, Any] | None = None,
    ) -> None:
        item = item or {}
        self._strategy = strategy
        self._champion = champion
        self._challenger = challenger
        self._counting = Counting(item.get("counting"))
        self.requests: int = int(item.get("requests", 0))
        self.errors: int = int(item.get("errors", 0))
        self.control_requests: int = int(item.get("control_requests", 0))
        self.compared: int = int(item.get("compared", 0))
        self.differed: int = int(item.get("differed", 0))
        self.restarted: bool = False
        self.fresh = Tally()
        rules = item.get("rules", {})
        self.rules = [
            RuleEvidence.from_dict(rule, rules[rule.name])
            if rule.name in rules
            else RuleEvidence.of(rule)
            for rule in strategy.rules
        ]
        self._weights = _stage_weights(strategy)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "counting": self._counting.to_dict(),
            "requests": self.requests,
            "errors": self.errors,
            "control_requests": self.control_requests,
            "compared": self.compared,
            "differed": self.differed,
            "rules": {one.rule.name: one.to_dict() for one in self.rules},
        }

    def look(
        self,
        counters: Iterable[Counters],
        *,
        stage: int,
        real: bool,
        settled: bool = True,
        told: Mapping[str, Told] | None = None,
    ) -> tuple[Verdict, ...]:
        """Take in what was counted since the last look; return a verdict per rule.

        Args:
            counters: cumulative, of all versions and roles; others than the two are ignored.
            stage: of the rollout, from 0; a late regression is found by the part of the evidence
                that begins with its stage.
            real: whether the challenger answers real requests.
            settled: whether it has warmed up; before, it is not called slow.
            told: per rule of a metric or of quality, what became known of it; rules that are not
                named go by the counters.
        """
        told = told or {}
        tallies = self._counting.take(counters)
        self.restarted = self._counting.restarted
        challenger = tallies.get(self._challenger, Tally())
        champion = tallies.get(self._champion, Tally())
        self.fresh = challenger
        self.requests += challenger.requests
        self.errors += challenger.errors
        self.control_requests += champion.requests
        self.compared += challenger.compared
        self.differed += challenger.differed
        for one in self.rules:
            known = told.get(one.rule.name)
            one.add(challenger, champion, stage=stage, real=real, settled=settled, told=known)
        return tuple(self._verdict(one) for one in self.rules)

    def bound(self, rule: Rule) -> float:
        """Return the log e-value at which a rule accuses: its share of alpha.

        Rules that only warn take nothing from those that may roll back.
        """
        blocking = rule.on_alarm == "rollback"
        shares = math.fsum(
            one.share for one in self._strategy.rules if one.on_alarm == "rollback" or not blocking
        )
        return math.log(shares / (self._strategy.alpha * rule.share))

    @property
    def bound_fine(self) -> float:
        """The log e-value at which a rule acquits. All must, so no correction is due."""
        return -math.log(self._strategy.alpha)

    def evidence(self) -> dict[str, float]:
        """Return log e-value over bound, per rule: 1 accuses. For the timeline."""
        return {
            one.rule.name: round(one.log_harm(self._weights) / self.bound(one.rule), 4)
            for one in self.rules
        }

    def _verdict(self, one: RuleEvidence) -> Verdict:
        rule = one.rule
        log_e, bound = one.log_harm(self._weights), self.bound(rule)
        evidence = Evidence(
            name=rule.name,
            value=e_value(log_e),
            threshold=e_value(bound),
            comparison="<",
            n=int(one.events[one.worst][1]),
            method=_STRICT if rule.strict else METHODS[rule.kind],
            details=self._details(one, log_e, bound),
        )
        outcome, ending, needs = self._outcome(one, log_e, bound)
        return Verdict(
            name=rule.name,
            outcome=outcome,
            words=f"{rule.name}: {_counted(one)}{ending}",
            kind="analysis",
            evidence=(evidence,),
            blocking=rule.on_alarm == "rollback",
            needs=needs,
        )

    def _outcome(
        self, one: RuleEvidence, log_e: float, bound: float
    ) -> tuple[Outcome, str, int | None]:
        e, limit = _number(e_value(one.peak)), _number(e_value(bound))
        if one.peak >= bound:
            consequence = "rolled back" if one.rule.on_alarm == "rollback" else "a warning"
            return Outcome.FAILED, f": e-value {e} > {limit}: {consequence}", None
        if not self.requests or not self.control_requests:
            side = "challenger" if not self.requests else "champion"
            return Outcome.INCONCLUSIVE, f": no request of the {side} yet", None
        if one.rule.kind in (RuleKind.MEAN, RuleKind.QUALITY) and not all(one.events[0][1::2]):
            return Outcome.INCONCLUSIVE, _awaited(one), None
        ending = f": e-value {_number(e_value(log_e))} of {limit}"
        if one.log_fine >= self.bound_fine:
            against = _number(e_value(one.log_fine))
            return Outcome.PASSED, f"{ending}; no worse, e-value {against}", None
        return Outcome.INCONCLUSIVE, ending, self._needs(one)

    def _needs(self, one: RuleEvidence) -> int | None:
        """Estimate how many more requests an acquittal takes, at the present growth.

        The best alternative alone needs the most of them, and all that is known already together
        with the growth of the best the fewest: in between, by simulation, lies what it takes.
        Early on, growth is mostly noise. An estimate of many times what has been seen is not one,
        and is not given.
        """
        seen, best = one.fine_requests, max(one.fine)
        if seen and best > 0:
            weights = fine_weights(one.rule)
            alone = min(
                (self.bound_fine - math.log(weight) - log_e) / log_e
                for weight, log_e in zip(weights, one.fine, strict=True)
                if log_e > 0
            )
            together = (self.bound_fine - one.log_fine) / best
            needs = seen * math.sqrt(max(alone, 0.0) * max(together, 0.0))
            if needs <= _FARTHEST * seen:
                return _round_up(needs)
        if one.rule.kind is RuleKind.RATE and not one.events[0][0]:
            missing = (self.bound_fine + math.log(8.0)) / one.rule.harmless - seen
            return _round_up(missing) if missing > 0 else None
        return None

    def _details(self, one: RuleEvidence, log_e: float, bound: float) -> dict[str, Any]:
        x_t, n_t, x_c, n_c = one.events[one.worst]
        return {
            "log_e": round(log_e, 4),
            "log_bound": round(bound, 4),
            "peak": round(one.peak, 4),
            "log_e_fine": round(one.log_fine, 4),
            "log_bound_fine": round(self.bound_fine, 4),
            "challenger": [round(x_t, 6), round(n_t, 6)],
            "champion": [round(x_c, 6), round(n_c, 6)],
            "limit_seconds": one.limits[one.worst],
        }


def _stage_weights(strategy: Strategy) -> tuple[float, ...]:
    steps = max(len(analysed_steps(strategy)), 1)
    if strategy.probation <= 0:
        return (1.0 / steps,) * steps
    late = (_PROBATION_SHARE / PROBATION_STAGES,) * PROBATION_STAGES
    return ((1.0 - _PROBATION_SHARE) / steps,) * steps + late


def _counted(one: RuleEvidence) -> str:
    """Say what was counted: ``41 of 520 at the challenger, 3 of 9,800 at the champion``."""
    x_t, n_t, x_c, n_c = one.events[one.worst]
    if one.rule.kind is RuleKind.DISTRIBUTION:
        counts = f"{n_t:,.0f} predictions of the challenger against {n_c:,.0f} of the champion"
        return counts + _moved(one)
    if one.rule.kind in (RuleKind.MEAN, RuleKind.QUALITY):
        if not n_t or not n_c:
            many = "labels" if one.rule.kind is RuleKind.QUALITY else "values"
            return f"{n_t:,.0f} {many} of the challenger, {n_c:,.0f} of the champion"
        if one.rule.kind is RuleKind.QUALITY:
            t, c = (f"{100.0 * s / n:.1f} % of {n:,.0f}" for s, n in ((x_t, n_t), (x_c, n_c)))
            return f"right on {t} labels at the challenger, on {c} at the champion"
        t, c = (f"{s / n:.4g} over {n:,.0f}" for s, n in ((x_t, n_t), (x_c, n_c)))
        return f"mean {t} at the challenger, {c} at the champion"
    challenger, champion = f"{x_t:,.0f} of {n_t:,.0f}", f"{x_c:,.0f} of {n_c:,.0f}"
    if one.rule.kind is RuleKind.TAIL:
        over = _limit(one)
        return f"{challenger} {over} at the challenger, {champion} slow at the champion"
    return f"{challenger} at the challenger, {champion} at the champion"


def _moved(one: RuleEvidence) -> str:
    """Say which prediction's share differs most."""
    totals = [math.fsum(pair[side] for pair in one.memory.values()) for side in (0, 1)]
    if not all(totals):
        return ""
    shares = {
        label: (pair[0] / totals[0], pair[1] / totals[1]) for label, pair in one.memory.items()
    }
    label, (t, c) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
    return f", most apart in {label!r}: {t:.1%} and {c:.1%} of them" if t != c else ""


def _awaited(one: RuleEvidence) -> str:
    what = "labels are" if one.rule.kind is RuleKind.QUALITY else "values are"
    return f"; {what} awaited at /feedback"


def _limit(one: RuleEvidence) -> str:
    limit = one.limits[one.worst]
    if limit is None:
        return "(no limit yet)"
    own, copies = _seconds(limit), _seconds(limit * COPIES_SLACK)
    if one.copies >= one.events[one.worst][1]:
        return f"over {copies}"
    return f"over {own}" + (f" (copies {copies})" if one.copies else "")


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1.0 else f"{value * 1000:.3g} ms"


def _number(value: float) -> str:
    if value >= 10_000:
        return f"{value:.2g}".replace("e+0", "e").replace("e+", "e")
    return f"{value:.3g}"


def _round_up(value: float) -> int:
    """Round an estimate to two digits: nobody should read more into it."""
    if not math.isfinite(value) or value <= 0:
        return 1
    unit = 10 ** max(math.floor(math.log10(value)) - 1, 0)
    return int(math.ceil(value / unit) * unit)


def worst_alarm(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Return the first verdict that must end the rollout, None when there is none."""
    bad = (Outcome.FAILED, Outcome.ERROR)
    return next((one for one in verdicts if one.blocking and one.outcome in bad), None)
