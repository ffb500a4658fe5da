"""Drives one rollout in a process of its own: ROOT PORT ROLLOUT_ID."""

import json
import sys
import time
from pathlib import Path

from penstock.errors import UnavailableError
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway
from penstock.journal import Journal
from penstock.observations import Observations
from penstock.rollouts import Controller, LocalTarget
from penstock.rollouts.outcomes import Outcomes


class FileRegistrar:
    def __init__(self, path):
        self.path = path

    def promote(self, version, rollout_id, reason):
        item = json.loads(self.path.read_text()) if self.path.exists() else {}
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps({**item, "champion": version, rollout_id: version}))
        temporary.replace(self.path)


def main():
    root, port, rollout_id = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    log = root / "observations"
    options = GatewayOptions(port=port, timeout=10.0, log_dir=str(log), log_interval=0.2)

    def starter():
        return start_gateway(root / "serve", options)

    target = LocalTarget(GatewayClient(root / "serve"), starter)
    registrar = FileRegistrar(root / "registry.json")
    with Journal(root / "journal.db") as journal:
        truth = Outcomes(Observations(log))
        controller = Controller(journal, target, registrar, truth=truth)
        while True:
            try:
                state = controller.run_until(rollout_id, "ended")
            except UnavailableError as error:
                print(error, flush=True)
                time.sleep(0.2)
            else:
                print(state.phase.value, state.words, flush=True)
                return


if __name__ == "__main__":
    main()
