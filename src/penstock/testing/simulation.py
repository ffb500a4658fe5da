"""A whole rollout in milliseconds: the real decision and analysis, simulated traffic and time."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.domain.rollout import RolloutPhase, Step, StepKind, Strategy
from penstock.domain.version import Bundle
from penstock.rollouts.advance import advance
from penstock.rollouts.moves import registered
from penstock.rollouts.state import ApplyTable, Promote, RolloutState, StartTarget
from penstock.testing.fakes.target import Behaviour, FakeTarget

CHAMPION, CHALLENGER = "1", "2"

QUICK = Strategy(
    steps=(
        Step(StepKind.SHADOW, 0.0, 1.0, 50),
        Step(StepKind.WEIGHT, 5.0, 1.0, 10),
        Step(StepKind.WEIGHT, 25.0, 1.0, 50),
        Step(StepKind.WEIGHT, 100.0),
    ),
    probation=8.0,
)
"""A strategy that is over in seconds, for tests."""


@dataclass(frozen=True, slots=True)
class Simulated:
    """How a simulated rollout ended.

    Attributes:
        state: the last one.
        seconds: simulated, from the start.
        looks: number of them.
        blamed: name of the rule that ended it, "" for none.
    """

    state: RolloutState
    seconds: float
    looks: int
    blamed: str

    @property
    def went_back(self) -> bool:
        """Whether the challenger was rolled back."""
        return self.state.phase is RolloutPhase.ROLLED_BACK


def bundle(version: str, model: str = "model") -> Bundle:
    """Return a bundle that points nowhere."""
    return Bundle(model, version, f"/models/{version}", "/usr/bin/python")


def simulate(
    strategy: Strategy,
    champion: Behaviour,
    challenger: Behaviour,
    *,
    rate: float = 200.0,
    seed: int = 0,
    seconds: float = 3_600.0,
    target: FakeTarget | None = None,
    change: tuple[float, Behaviour] | None = None,
) -> Simulated:
    """Walk one rollout to its end, a look every interval of the strategy.

    Args:
        strategy: as a project declares it.
        champion: how version 1 answers.
        challenger: how version 2 answers.
        rate: requests per second.
        seed: of the traffic.
        seconds: longest simulated time.
        target: another target than a new `FakeTarget` of these behaviours.
        change: from this second on the challenger behaves differently.
    """
    behaviours = {CHAMPION: champion, CHALLENGER: challenger}
    target = target or FakeTarget(behaviours, rate=rate, seed=seed)
    state = RolloutState("rollout-1", "model", strategy, bundle(CHAMPION), bundle(CHALLENGER))
    now, looks = 0.0, 0
    while not state.phase.ended and now < seconds:
        if change is not None and now >= change[0]:
            target.behaviours[CHALLENGER] = change[1]
        state, effects = advance(state, target.observe(), now=now)
        looks += 1
        for effect in effects:
            if isinstance(effect, StartTarget):
                target.start()
            elif isinstance(effect, ApplyTable):
                target.apply(effect.table)
            elif isinstance(effect, Promote):
                state, _ = registered(state, effect.version)
        target.pass_time(strategy.interval)
        now += strategy.interval
    rules = {rule.name for rule in strategy.rules}
    named = state.reason.partition(":")[0]
    return Simulated(state, now, looks, named if named in rules else "")
