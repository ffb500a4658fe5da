"""From the verdict to the last request on the bad version, with a real gateway under load.

    python benchmarks/rollouts/return_time.py --runs 5

Clients write down when they sent each request and which version answered. The verdict is the time
of the look that decided; what counts is the last request that was *sent* and still met the bad
version, and the last one that was answered by it.
"""

import argparse
import importlib.util
import json
import socket
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from penstock.domain.rollout import Step, StepKind

HERE = Path(__file__).resolve().parent
STACK = HERE.parents[1] / "tests" / "integration" / "rollouts" / "conftest.py"


def stack_module():
    """The stack of real processes that the tests use."""
    spec = importlib.util.spec_from_file_location("rollout_stack", STACK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def once(module, stack, clients):
    steps = (Step(StepKind.WEIGHT, 30.0, 300.0, 10), Step(StepKind.WEIGHT, 100.0))
    with module.Load(stack.port, clients=clients) as load:
        stack.wait_for(lambda: len(load.answers) > 50)
        id, champion, challenger = stack.start(replace(module.STRATEGY, steps=steps), fails=20)
        state = stack.run(id)
        enough = len(load.answers) + 200
        stack.wait_for(lambda: len(load.answers) > enough)
    assert state.phase.value == "rolled-back", state.reason
    verdict = next(one.time for one in state.looks if one.phase == "rolling-back")
    bad = [one for one in load.answers if one.version == challenger]
    lost = sum(one.status >= 500 and one.version != challenger for one in load.answers)
    sent = max(one.sent for one in bad) - verdict
    got = max(one.got for one in bad) - verdict
    assert {one.version for one in load.answers[-50:]} == {champion}
    return {
        "sent_ms": 1000 * sent,
        "answered_ms": 1000 * got,
        "on_bad": len(bad),
        "requests": len(load.answers),
        "lost": lost + load.broken,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    module = stack_module()
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        python = module.write_interpreter(Path(folder) / "environment")
        stack = module.Stack(Path(folder), port, python)
        try:
            stack.deploy_first()
            found = [once(module, stack, options.clients) for _ in range(options.runs)]
        finally:
            stack.stop()
    print("| run | last sent after, ms | last answered after, ms | on bad version | failed else |")
    print("|---|---|---|---|---|")
    for index, one in enumerate(found, 1):
        print(
            f"| {index} | {one['sent_ms']:.0f} | {one['answered_ms']:.0f} "
            f"| {one['on_bad']:,} of {one['requests']:,} | {one['lost']} |"
        )
    print(f"\nmedian {statistics.median(one['sent_ms'] for one in found):.0f} ms, goal 300 ms")
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
