"""Traffic: which versions serve, with which weight, and what has been counted of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.domain.version import Bundle

LATENCY_BOUNDS: tuple[float, ...] = tuple(round(0.0001 * 10 ** (k / 10), 9) for k in range(61))
"""Upper bounds in seconds of the latency buckets: ten to the decade, 0.1 ms to 100 s."""


@dataclass(frozen=True, slots=True)
class TrafficTable:
    """The wanted state of a gateway: one value, replaced as a whole.

    Attributes:
        generation: rises with every change; a gateway refuses an older one.
        bundles: everything that must be running, weights or not (a warm previous champion).
        champion: version that holds the traffic, None before the first deployment.
        challenger: version that wants it, None outside a rollout.
        weight: percent of requests for the challenger, 0 to 100.
        shadow: whether the challenger also sees a copy of the champion's requests.
        shadow_percent: share of the champion's requests that is copied.
        sticky: where the key of a request stands that keeps a caller on one side of the split:
            ``header:NAME``, ``field:NAME`` or None for a split at random by request id.
        salt: mixed into the hash of the key; one per rollout, so that a ramp is monotone.
        replicas: worker processes per version.
        rollout_id: the rollout that wrote the table, "" for none.
    """

    generation: int = 0
    bundles: tuple[Bundle, ...] = ()
    champion: str | None = None
    challenger: str | None = None
    weight: float = 0.0
    shadow: bool = False
    shadow_percent: float = 100.0
    sticky: str | None = None
    salt: str = ""
    replicas: int = 1
    rollout_id: str = ""

    def bundle(self, version: str) -> Bundle | None:
        """Return the bundle of a version, None when the table has none."""
        return next((one for one in self.bundles if one.version == version), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["bundles"] = [one.to_dict() for one in self.bundles]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> TrafficTable:
        """Read what `to_dict` wrote."""
        return cls(**{**item, "bundles": tuple(Bundle.from_dict(one) for one in item["bundles"])})


@dataclass(frozen=True, slots=True)
class Counters:
    """What a gateway has counted for one version in one role, since `epoch`; only ever rising.

    Attributes:
        version: the model version.
        role: ``champion``, ``challenger`` or ``shadow``.
        epoch: changes when the counting process was restarted, so that a reset is seen as one.
        requests: requests answered (or, in the shadow role, copies that came back).
        errors: those with a status of 500 or more, a time-out, or no answer.
        latency: requests per bucket of `LATENCY_BOUNDS`, and one more for those above the last.
        predictions: requests per bin or class of the prediction, by its label.
        compared, differed: shadow role: pairs compared with the champion's answer; those unequal.
        means: sums of bounded per-request metrics: name -> (count, sum).
    """

    version: str
    role: str
    epoch: str = ""
    requests: int = 0
    errors: int = 0
    latency: tuple[int, ...] = (0,) * (len(LATENCY_BOUNDS) + 1)
    predictions: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    differed: int = 0
    means: dict[str, tuple[int, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["latency"] = list(self.latency)
        item["means"] = {name: list(pair) for name, pair in self.means.items()}
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Counters:
        """Read what `to_dict` wrote."""
        means = {name: (int(pair[0]), float(pair[1])) for name, pair in item["means"].items()}
        return cls(**{**item, "latency": tuple(item["latency"]), "means": means})


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """What a target observes of itself.

    Attributes:
        running: whether a gateway answers.
        generation: of the table that is in force.
        ready: versions that have at least one worker ready to answer.
        failed: versions that cannot be started, with the reason in words.
        counters: one entry per version and role.
        url: where it serves, "" when not running.
    """

    running: bool
    generation: int = -1
    ready: frozenset[str] = frozenset()
    failed: dict[str, str] = field(default_factory=dict)
    counters: tuple[Counters, ...] = ()
    url: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["ready"] = sorted(self.ready)
        item["counters"] = [one.to_dict() for one in self.counters]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> TargetStatus:
        """Read what `to_dict` wrote."""
        return cls(
            **{
                **item,
                "ready": frozenset(item["ready"]),
                "counters": tuple(Counters.from_dict(one) for one in item["counters"]),
            }
        )
