"""Hashing side by side with md5sum and DVC, in one run: `python benchmarks/pipeline/hashing.py`.

Prints medians of wall seconds and the ratios that matter:

- 100,000 small files, for the first time, against `md5sum` on all cores;
- the same directory again, with nothing to do, against a bare walk with `stat`;
- a file of 2 GiB against `md5sum`;
- peak memory at 100,000 files.

Every measurement is a process of its own, its start included; ours and theirs take turns. With
`--json` the numbers come as JSON, with `--no-dvc` DVC (a minute a round) is left out.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WALK = """
import os, sys
pending = [sys.argv[1]]
while pending:
    with os.scandir(pending.pop()) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            else:
                entry.stat()
"""
OURS = """
import sys
from pathlib import Path
from penstock.artifacts import Store
path = Path(sys.argv[1])
print(Store.open(path.parent).hash(path, name="data").md5)
"""


def timed(command, env=None, cwd=None):
    """Run a command; return wall seconds and peak memory in MiB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=cwd
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed: {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def md5sum(directory):
    cores = len(os.sched_getaffinity(0))
    pipe = f"find {directory} -type f -print0 | xargs -0 -n 2000 -P {cores} md5sum"
    return ["sh", "-c", pipe]


def make_files(directory, count):
    """Write files of 50 to 1000 bytes, a thousand in a directory."""
    chance = random.Random(1)
    for number in range(count):
        if number % 1000 == 0:
            part = directory / f"{number // 1000:03}"
            part.mkdir(parents=True)
        (part / f"{number:06}.txt").write_bytes(chance.randbytes(chance.randint(50, 1000)))


def make_large(path, size):
    block = random.Random(2).randbytes(1 << 20)
    with path.open("wb") as file:
        for number in range(size >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])


def project(root):
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def measure(arguments, root):
    project(root)
    env = {
        **os.environ,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(root / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(root / "none"),
    }
    data, large = root / "data", root / "large.bin"
    make_files(data, arguments.files)
    make_large(large, arguments.large << 20)
    interpreter = [sys.executable, "-c"]
    seconds, memory = {}, {}

    def note(name, command, **options):
        wall, peak = timed(command, env=env, **options)
        seconds.setdefault(name, []).append(wall)
        memory[name] = max(memory.get(name, 0), peak)

    timed(["sh", "-c", f"cat {large} >/dev/null"])
    for _ in range(arguments.rounds):
        note("md5sum files", md5sum(data))
        shutil.rmtree(root / ".penstock", ignore_errors=True)
        note("penstock files", [*interpreter, OURS, str(data)])
        note("walk + stat", [*interpreter, WALK, str(data)])
        note("penstock nothing to do", [*interpreter, OURS, str(data)])
        note("md5sum large", ["md5sum", str(large)])
        note("penstock large", [*interpreter, OURS, str(large)])
        note("penstock large again", [*interpreter, OURS, str(large)])
    if arguments.dvc:
        dvc = str(Path(sys.executable).with_name("dvc"))
        (root / "dvc.yaml").write_text("stages:\n  s:\n    cmd: 'true'\n    deps: [data]\n")
        note("dvc files", [dvc, "repro", "-q"], cwd=root)
        note("dvc nothing to do", [dvc, "status", "-q"], cwd=root)
    return seconds, memory


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2048, help="MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-dvc", dest="dvc", action="store_false")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        seconds, memory = measure(arguments, Path(name) / "project")
    median = {key: statistics.median(values) for key, values in seconds.items()}
    ratios = {
        "first hash / md5sum (limit 2.0)": median["penstock files"] / median["md5sum files"],
        "nothing to do / walk (limit 2.0)": median["penstock nothing to do"]
        / median["walk + stat"],
        "large / md5sum (limit 1.2)": median["penstock large"] / median["md5sum large"],
    }
    if arguments.json:
        print(json.dumps({"seconds": median, "mebibytes": memory, "ratios": ratios}))
        return
    for key, value in median.items():
        print(f"{key:<26}{value:8.2f} s {memory[key]:8.0f} MiB")
    for key, value in ratios.items():
        print(f"{key:<40}{value:6.2f}")


if __name__ == "__main__":
    main()
