"""Which stage starts next. Pure: the longest expected path first, within what is free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from penstock.domain.pipeline import Pipeline, Resources, Stage
from penstock.pipeline.graph import order

UNKNOWN_SECONDS = 1.0
"""Expected duration of a stage that has not run before."""


@dataclass(slots=True)
class Capacity:
    """What is free on the machine.

    Attributes:
        cpus: stages of one core that may still start.
        memory: bytes.
        gpus: device numbers.
        limits: how many stages of each limit group run.
        running: number of stages that run.
    """

    cpus: float
    memory: int
    gpus: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    running: int = 0

    def fits(self, wanted: Resources) -> bool:
        """Whether a stage may start now.

        A stage that asks for more than the whole machine has starts when nothing else runs.
        """
        if wanted.gpus > len(self.gpus):
            return False
        if any(self.limits.get(name, 0) >= most for name, most in wanted.limits):
            return False
        return self.running == 0 or (wanted.cpus <= self.cpus and wanted.memory <= self.memory)

    def take(self, wanted: Resources) -> list[str]:
        """Note that a stage starts; return the devices it may use."""
        self.cpus -= wanted.cpus
        self.memory -= wanted.memory
        self.running += 1
        for name, _ in wanted.limits:
            self.limits[name] = self.limits.get(name, 0) + 1
        given, self.gpus = self.gpus[: wanted.gpus], self.gpus[wanted.gpus :]
        return given

    def give(self, wanted: Resources, gpus: list[str]) -> None:
        """Note that a stage has ended."""
        self.cpus += wanted.cpus
        self.memory += wanted.memory
        self.running -= 1
        for name, _ in wanted.limits:
            self.limits[name] -= 1
        self.gpus = gpus + self.gpus


def priorities(pipeline: Pipeline, seconds: Mapping[str, float]) -> dict[str, float]:
    """Return, for each stage, the expected seconds from its start to the end of what needs it."""
    below = pipeline.downstream()
    result: dict[str, float] = {}
    for address in reversed(order(pipeline.upstream)):
        rest = max((result[one] for one in below[address]), default=0.0)
        result[address] = seconds.get(address, UNKNOWN_SECONDS) + rest
    return result


def startable(
    ready: Iterable[Stage], capacity: Capacity, weights: Mapping[str, float]
) -> list[Stage]:
    """Return ready stages that may be tried now, the most urgent first.

    A stage that needs more than is free does not hold up smaller ones behind it.
    """
    if capacity.running and capacity.cpus <= 0:
        ready = [stage for stage in ready if stage.resources.cpus <= 0]
    fitting = [stage for stage in ready if capacity.fits(stage.resources)]
    return sorted(fitting, key=lambda stage: -weights.get(stage.address, 0.0))


def remaining(
    pipeline: Pipeline, left: Iterable[str], seconds: Mapping[str, float], jobs: float
) -> float:
    """Return the expected seconds until the stages that are left are done.

    The larger of the longest path and of the work spread over all jobs.
    """
    wanted = set(left)
    below = pipeline.downstream()
    longest: dict[str, float] = {}
    total = 0.0
    for address in reversed(order(pipeline.upstream)):
        own = seconds.get(address, UNKNOWN_SECONDS) if address in wanted else 0.0
        longest[address] = own + max((longest[one] for one in below[address]), default=0.0)
        total += own
    return max(max(longest.values(), default=0.0), total / max(jobs, 1.0))
