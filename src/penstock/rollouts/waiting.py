"""What a step still waits for when its time is over: proof, a metric, labels. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.domain.rollout import Rule, RuleKind, StrategyKind
from penstock.domain.verdict import Outcome, Verdict
from penstock.rollouts.state import RolloutState
from penstock.rollouts.strategy import analysed_steps, effective_steps


def open_rules(state: RolloutState, verdicts: Sequence[Verdict]) -> list[str]:
    """Return the rules that the last step before the promotion is held for.

    An A/B test waits for its business metrics; a strategy that wants proof for every rule that may
    roll back, as far as anything is known that it can speak of.
    """
    strategy = state.strategy
    if strategy.kind is not StrategyKind.AB and not strategy.proof:
        return []
    rest = effective_steps(strategy)[state.step + 1 :]
    if any(step in analysed_steps(strategy) for step in rest):
        return []
    judged = {one.name: one for one in verdicts}
    wanted = (rule for rule in strategy.rules if _counts(rule, strategy.proof, judged))
    return [one.name for one in wanted if not _acquitted(judged.get(one.name))]


def proved(state: RolloutState, verdicts: Sequence[Verdict]) -> bool:
    """Return whether every rule acquits the challenger, on real traffic and for long enough.

    Where no label has come in, quality is not known, and is not waited for unless the strategy
    says how many labels it wants.
    """
    strategy = state.strategy
    if not strategy.early or state.weight <= 0 or state.real < strategy.early_seconds:
        return False
    if missing_labels(state, verdicts) > 0:
        return False
    unknown = {one.name for one in strategy.rules if one.kind is RuleKind.QUALITY}
    blocking = [
        one for one in verdicts if one.blocking and (one.name not in unknown or _labels(one))
    ]
    return bool(blocking) and all(_acquitted(one) for one in blocking)


def missing_labels(state: RolloutState, verdicts: Sequence[Verdict]) -> int:
    """Return for how many more labels the strategy wants to wait."""
    known = {one.name: _labels(one) for one in verdicts}
    wanted = (one for one in state.strategy.rules if one.kind is RuleKind.QUALITY)
    return max((one.min_labels - known.get(one.name, 0) for one in wanted), default=0)


def _counts(rule: Rule, proof: bool, judged: dict[str, Verdict]) -> bool:
    if rule.kind is RuleKind.MEAN:
        return True
    if not proof or rule.on_alarm != "rollback" or rule.kind is RuleKind.DISTRIBUTION:
        return False
    verdict = judged.get(rule.name)
    return rule.kind is not RuleKind.QUALITY or (verdict is not None and _labels(verdict) > 0)


def _acquitted(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.outcome is Outcome.PASSED


def _labels(verdict: Verdict) -> int:
    return (verdict.evidence[0].n or 0) if verdict.evidence else 0
