"""The lock: one step at a time, and a dead holder lets go."""

import subprocess
import sys

from penstock.rollouts.lock import Lock


def test_reentrant_and_free_afterwards(tmp_path):
    lock = Lock(tmp_path / "lock")
    with lock, lock:
        pass
    with Lock(tmp_path / "lock"):
        pass


def test_a_killed_holder_lets_go(tmp_path):
    path = tmp_path / "lock"
    code = (
        "import sys, time, pathlib; from penstock.rollouts.lock import Lock\n"
        "with Lock(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
    finally:
        holder.kill()
        holder.communicate()
    with Lock(path):
        pass
