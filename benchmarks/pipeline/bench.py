"""Penstock beside DVC, make and ninja, in one run: medians and ratios.

    python benchmarks/pipeline/bench.py              all, about ten minutes (DVC is the slow part)
    python benchmarks/pipeline/bench.py --no-dvc     two minutes
    python benchmarks/pipeline/bench.py --only noop files

Every tool gets the same stages (`cp` of one small file), in chains of ten. Times are wall seconds
of whole commands; each figure is the median of `--repeat` runs after one that warms the caches.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

COUNTS = (10, 100, 500)


def installed(name: str) -> str:
    """Return a command as users call it."""
    return str(Path(sys.executable).with_name(name))


TOOLS: dict[str, Callable[[int], list[str]]] = {
    "penstock": lambda jobs: [installed("penstock"), "run", "-j", str(jobs), "dvc.yaml"],
    "dvc": lambda _: [installed("dvc"), "repro", "-q"],
    "make": lambda jobs: ["make", "-s", f"-j{jobs}"],
    "ninja": lambda jobs: ["ninja", "--quiet", f"-j{jobs}"],
}
SETTINGS = "model: {name: bench, path: o0.txt, test_data: in.txt, target: y}\n"


def source(at: int) -> str:
    return f"o{at - 1}.txt" if at % 10 else "in.txt"


def project(root: Path, count: int, command: str = "cp {source} {out}") -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    outs = [f"o{at}.txt" for at in range(count)]
    commands = [command.format(source=source(at), out=out) for at, out in enumerate(outs)]
    dvc, make, ninja = ["stages:"], ["all: " + " ".join(outs)], []
    for at, (out, line) in enumerate(zip(outs, commands, strict=True)):
        dvc += [f"  s{at}:", f"    cmd: {line}", f"    deps: [{source(at)}]", f"    outs: [{out}]"]
        make += [f"{out}: {source(at)}", f"\t{line}"]
        ninja += [f"rule r{at}", f"  command = {line}", f"build {out}: r{at} {source(at)}"]
    (root / "in.txt").write_text("x\n")
    (root / "dvc.yaml").write_text("\n".join(dvc) + "\n")
    (root / "Makefile").write_text("\n".join(make) + "\n")
    (root / "build.ninja").write_text("\n".join(ninja) + "\n")
    (root / "penstock.yaml").write_text(SETTINGS)
    (root / ".gitignore").write_text("/.penstock\n/mlflow.db\n/mlartifacts\n")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=root, check=True)


def seconds(command: list[str], root: Path) -> float:
    quiet = subprocess.DEVNULL
    start = time.perf_counter()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=quiet)
    return time.perf_counter() - start


def median(command: list[str], root: Path, repeat: int) -> float:
    seconds(command, root)
    return statistics.median(seconds(command, root) for _ in range(repeat))


def show(title: str, rows: dict[str, dict[str, float]], unit: str = "s") -> None:
    columns = list(next(iter(rows.values())))
    print(f"\n{title} ({unit})")
    print(f"{'':>10}" + "".join(f"{column:>10}" for column in columns))
    for tool, cells in rows.items():
        print(f"{tool:>10}" + "".join(f"{cells.get(c, float('nan')):10.3f}" for c in columns))
    ours = rows["penstock"]
    for tool, cells in rows.items():
        if tool != "penstock":
            ratios = "".join(
                f"{cells[c] / ours[c]:9.2f}x" if c in cells else " " * 10 for c in columns
            )
            print(f"{tool + '/ours':>10}{ratios}")


def noop_and_first(folder: Path, tools: list[str], repeat: int) -> None:
    noop: dict[str, dict[str, float]] = {tool: {} for tool in tools}
    first: dict[str, dict[str, float]] = {tool: {} for tool in tools}
    for count in COUNTS:
        for tool in tools:
            root = folder / f"{tool}{count}"
            project(root, count)
            took = seconds(TOOLS[tool](2), root)
            noop[tool][str(count)] = median(TOOLS[tool](2), root, repeat)
            # What the command costs anyway is not the stages' overhead.
            first[tool][str(count)] = 1000 * (took - noop[tool][str(count)]) / count
    show("Nothing to do, by number of stages", noop)
    show("First run, overhead of a stage", first, "ms")


def sleeps(folder: Path, tools: list[str]) -> None:
    rows = {}
    for tool in tools:
        root = folder / f"sleep-{tool}"
        project(root, 1)
        seconds(TOOLS[tool](8), root)  # reads the settings for the first time
        stages = ["stages:"] + [
            f"  s{at}:\n    cmd: sleep 1 && touch o{at}\n    outs: [o{at}]" for at in range(20)
        ]
        (root / "dvc.yaml").write_text("\n".join(stages) + "\n")
        names = " ".join(f"o{at}" for at in range(20))
        (root / "Makefile").write_text(f"all: {names}\n{names}:\n\tsleep 1 && touch $@\n")
        rules = "rule s\n  command = sleep 1 && touch $out\n"
        (root / "build.ninja").write_text(rules + "".join(f"build o{at}: s\n" for at in range(20)))
        rows[tool] = {"20 x 1 s": seconds(TOOLS[tool](8), root)}
    show("Twenty sleeps of a second, 8 jobs", rows)


def files(folder: Path, tools: list[str], repeat: int, count: int) -> None:
    root = folder / "files"
    project(root, 1)
    for at in range(count):
        path = root / "data" / f"{at % 100:02}" / f"{at}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{at}\n")
    stage = (
        "stages:\n  s:\n    cmd: cp in.txt o0.txt\n    deps: [data, in.txt]\n    outs: [o0.txt]\n"
    )
    (root / "dvc.yaml").write_text(stage)
    (root / ".gitignore").write_text("/.penstock\n/data\n")
    walk = "import os; [e.stat() for d, _, n in os.walk('data') for e in os.scandir(d)]"
    md5 = "find data -type f -print0 | xargs -0 -P 2 -n 2000 md5sum"
    rows = {"penstock": {}, "dvc": {}}
    for tool in ("penstock", *(["dvc"] if "dvc" in tools else [])):
        rows[tool]["first"] = seconds(TOOLS[tool](2), root)
        rows[tool]["noop"] = median(TOOLS[tool](2), root, repeat)
        (root / "o0.txt").unlink()
        (root / "dvc.lock").unlink()
        shutil.rmtree(root / ".dvc" / "cache")
    rows["floor"] = {
        "first": median(["sh", "-c", md5], root, repeat),
        "noop": median([sys.executable, "-c", walk], root, repeat),
    }
    show(f"A dependency of {count:,} files (floor: md5sum; walk and stat)", rows)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    os.environ["DVC_SITE_CACHE_DIR"] = str(folder / "site")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--no-dvc", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", default=["noop", "sleeps", "files"])
    chosen = parser.parse_args()
    tools = [tool for tool in TOOLS if tool != "dvc" or not chosen.no_dvc]
    tools = [tool for tool in tools if tool not in ("make", "ninja") or shutil.which(tool)]
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}; {', '.join(tools)}")
    with scratch() as folder:
        if "noop" in chosen.only:
            noop_and_first(folder, tools, chosen.repeat)
        if "sleeps" in chosen.only:
            sleeps(folder, tools)
        if "files" in chosen.only:
            files(folder, tools, chosen.repeat, chosen.files)


if __name__ == "__main__":
    main()
