"""A gateway with everything on: two versions, split in halves, the prediction log, metrics."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway import GatewayOptions, start_gateway


def main() -> None:
    state, model, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    shutil.rmtree(state, ignore_errors=True)
    log = state / "observations"
    client = start_gateway(state, GatewayOptions(port=port, log_dir=str(log)))
    bundles = tuple(Bundle("m", version, model, sys.executable) for version in "12")
    client.apply(
        TrafficTable(1, bundles, champion="1", challenger="2", weight=50.0, rollout_id="bench")
    )
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    client.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    main()
