"""Settings of `serve:`, in the units of `penstock.config.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FieldLimit:
    """Limits of one field of requests that a person knows better than the training data.

    Attributes:
        min, max: of a number, None: as the training data has it.
        values: of a text, none: as the training data has it.
        nulls: whether it may be missing, None: as the training data has it.
    """

    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()
    nulls: bool | None = None


@dataclass(frozen=True)
class BreakerSettings:
    """When nothing is answered any more, because too many requests violate the limits.

    Attributes:
        share: of violating requests above which it opens; 0 is never.
        window: seconds over which the share is taken.
        min_requests: in the window, below which no share is taken.
        pause: seconds after which a few requests are let through.
    """

    share: float = 0.0
    window: float = 60.0
    min_requests: int = 50
    pause: float = 30.0


@dataclass(frozen=True)
class CheckSettings:
    """What to do about requests with values that the training data does not have.

    Attributes:
        mode: ``off``, ``warn`` (counted, and told in a header) or ``reject`` (422).
        margin: by which a number may lie outside, in spans of the training data's values.
        fields: limits of single fields.
        ignore: fields that may hold anything.
        breaker: when nothing is answered any more.
    """

    mode: str = "off"
    margin: float = 0.1
    fields: dict[str, FieldLimit] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    breaker: BreakerSettings = BreakerSettings()


@dataclass(frozen=True)
class ServeSettings:
    """How a bundle answers requests.

    Attributes:
        host: address to listen on; loopback only, unless told otherwise.
        port: to listen on; 0 takes a free one.
        replicas: worker processes per version.
        memory_mb: limit of one worker; 0 is none.
        timeout: seconds for one request.
        sticky: ``header:NAME`` or ``field:NAME`` keeps a caller on one side of the split.
        log_sample: share of the requests that is logged.
        log_exclude: fields that are never logged.
        grpc_port: for gRPC, 0 takes a free one; None is no gRPC.
        batch: ``auto``, ``all`` or ``off``: whether rows of several requests are put together.
        checks: of values that the training data does not have.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    replicas: int = 1
    memory_mb: int = 0
    timeout: float = 10.0
    sticky: str | None = None
    log_sample: float = 1.0
    log_exclude: tuple[str, ...] = ()
    grpc_port: int | None = None
    batch: str = "auto"
    checks: CheckSettings = CheckSettings()
