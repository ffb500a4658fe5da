"""Settings of a gateway process."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """How a gateway serves.

    Attributes:
        host: address to listen on; loopback unless told otherwise.
        port: to listen on, 0 for any free one.
        grpc_port: for the Open Inference Protocol over gRPC, 0 for any free one, None for no gRPC.
        timeout: seconds that a request may take before it gets 504.
        memory_mb: limit of a worker's memory in MiB, 0 for none.
        threads: threads that a model's numerical libraries may use.
        max_body: longest body of a request in bytes.
        max_waiting: most requests of one version in flight; more get 429.
        idle_timeout: seconds after which an idle connection is closed.
        read_timeout: seconds that a client may take to send one request.
        drain_timeout: seconds that requests in flight get to finish.
        start_timeout: seconds that a model may take to load and warm up.
        log_dir: directory of the prediction log, "" for none.
        log_sample: share of requests that are logged, 0 to 1.
        log_exclude: names of features that are never logged.
        log_interval: seconds after which logged requests are on disk.
        log_keep: seconds for which they are kept, 0 for ever.
        breaker_share: of requests that violate a limit, above which none is answered; 0 is never.
        breaker_window: seconds over which that share is taken.
        breaker_least: requests in them below which no share is taken.
        breaker_pause: seconds after which a few requests are let through.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    timeout: float = 30.0
    memory_mb: int = 0
    threads: int = 1
    max_body: int = 64 << 20
    max_waiting: int = 4096
    idle_timeout: float = 300.0
    read_timeout: float = 30.0
    drain_timeout: float = 30.0
    start_timeout: float = 300.0
    log_dir: str = ""
    log_sample: float = 1.0
    log_exclude: tuple[str, ...] = ()
    log_interval: float = 1.0
    log_keep: float = 0.0
    breaker_share: float = 0.0
    breaker_window: float = 60.0
    breaker_least: int = 50
    breaker_pause: float = 30.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {one.name: getattr(self, one.name) for one in fields(self)}
        item["log_exclude"] = list(self.log_exclude)
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> GatewayOptions:
        """Read what `to_dict` wrote."""
        return cls(**{**item, "log_exclude": tuple(item["log_exclude"])})
