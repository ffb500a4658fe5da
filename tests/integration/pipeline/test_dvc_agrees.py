"""Real DVC is the judge: penstock leaves what DVC would have left, and the other way round."""

from __future__ import annotations

import pytest

LONG = " ".join(f"--option-{number} value-{number}" for number in range(12))
FILES: dict[str, str | bytes] = {
    "dvc.yaml": f"""\
vars:
- conf.yaml
- names: [x, y]
  depth: {{a: 1, b: two}}
stages:
  prep:
    cmd: mkdir -p out/deep && cp data/sub/b.txt out/deep/z.txt && cp data/a.txt out/a.txt
    deps:
    - data
    - src/tool.sh
    params:
    - train
    - other
    - conf.yaml: [size.width]
    - more.json:
    - conf.toml: [table.key]
    - conf.py: [RATE, Model.layers, NAMES]
    outs:
    - out
    desc: prepares ${{names[0]}}
    meta: {{owner: me}}
  each:
    foreach: ${{names}}
    do:
      cmd: echo ${{item}} ${{size.width}} > each-${{item}}.txt
      deps: [out]
      outs: ['each-${{item}}.txt']
  pairs:
    foreach:
      one: {{n: 1, f: 1.5}}
      two: {{n: 2, f: 1e-5}}
    do:
      cmd: echo ${{key}} ${{item.n}} ${{item.f}} > pair-${{key}}.txt
      deps: [each-x.txt]
      outs:
      - pair-${{key}}.txt
  grid:
    matrix:
      a: [x, -0.5]
      b: ${{names}}
    cmd: echo ${{item.a}} ${{item.b}} ${{key}} > grid_${{key}}
    deps: [each-y.txt]
    outs:
    - grid_${{key}}:
        cache: false
  flags:
    cmd: echo ${{flags}} > flags.txt
    deps: [each-x.txt]
    outs: [flags.txt]
  lines:
    cmd: |-
      X=1
      echo "line ${{depth.b}} $X" > lines.txt
    deps: [conf.yaml]
    outs:
    - lines.txt
  long:
    cmd: echo {LONG} > long.txt
    deps: [conf.yaml]
    outs: [long.txt]
  list:
    cmd:
    - echo one > list.txt
    - "echo 'two: \\u00e9' >> list.txt"
    deps: [conf.yaml]
    outs:
    - list.txt:
        desc: a list
        labels: [x]
  inside:
    wdir: sub
    cmd: cp ../data/a.txt here.txt && echo '{{"auc":0.75}}' > scores.json && echo a,b > plot.csv
    deps: [../data/a.txt]
    params: [rate]
    outs: [here.txt]
    metrics:
    - scores.json:
        cache: false
    plots:
    - plot.csv:
        x: a
        y: b
  kept:
    cmd: echo more >> kept.txt
    deps: [data/a.txt]
    outs:
    - kept.txt:
        persist: true
  exec:
    cmd: cp src/tool.sh tool.sh && chmod +x tool.sh
    deps: [src/tool.sh]
    outs: [tool.sh]
  single:
    cmd: "echo 1 > 'odd name #1.txt'"
    outs: ['odd name #1.txt']
metrics:
- sub/scores.json
""",
    "conf.yaml": (
        "size: {width: 3, height: [1, 2]}\nflags: {lr: 0.1, deep: true, name: a b, n: [1, 2]}\n"
    ),
    "params.yaml": (
        "other: 3\ntrain:\n  lr: 1e-5\n  big: 1e10\n  zero: 0o17\n  word: yes\n  text: '1'\n"
        "  none:\n  list: [1, two, 3.0]\n  nested: {b: 1, a: {c: true}}\n"
    ),
    "sub/params.yaml": "rate: 0.5\n",
    "more.json": '{"k": {"v": [1, 2, {"w": null}]}, "a": "text: x"}',
    "conf.toml": "[table]\nkey = 'value'\n",
    "conf.py": "RATE = 0.25\nNAMES = ('a', 'b')\nclass Model:\n    layers = [1, 2]\n",
    "data/a.txt": "a\n",
    "data/sub/b.txt": "b\n",
    "data/sub/caf\u00e9 1.txt": "c\n",
    "src/tool.sh": "#!/bin/sh\n",
    "nested/dvc.yaml": (
        "stages:\n  down:\n    cmd: cat ../out/a.txt > d.txt\n    deps:\n    - ../out/a.txt\n"
        "    outs:\n    - d.txt\n"
    ),
}  # fmt: skip


@pytest.fixture
def rich(make_project):
    def make(name: str):
        project = make_project(name, FILES)
        (project.root / "src/tool.sh").chmod(0o755)
        project.commit()
        return project

    return make


def test_what_both_leave_is_the_same_byte_for_byte(rich):
    ours, theirs = rich("ours"), rich("theirs")
    run = ours.run()
    assert run.outcome == "succeeded", run.error
    theirs.dvc("repro", "-q", "-P")

    for file in ("dvc.lock", "nested/dvc.lock"):
        mine, other = stages(ours.read(file)), stages(theirs.read(file))
        assert mine == other
    assert ours.files(".dvc/cache").keys() == theirs.files(".dvc/cache").keys()
    assert ours.files(".dvc/cache") == theirs.files(".dvc/cache")
    for file in (".gitignore", "nested/.gitignore", "sub/.gitignore"):
        assert sorted(ours.read(file).splitlines()) == sorted(theirs.read(file).splitlines())
    assert (ours.root / "tool.sh").stat().st_mode == (theirs.root / "tool.sh").stat().st_mode

    assert ours.dvc("status") == "Data and pipelines are up to date.\n"
    before = ours.read("dvc.lock")
    assert "Running stage" not in ours.dvc("repro", "-P")
    assert ours.read("dvc.lock") == before
    assert set(theirs.outcomes().values()) == {"unchanged"}
    assert set(ours.outcomes().values()) == {"unchanged"}


def stages(lock: str) -> dict[str, str]:
    """Return the bytes of each stage; their order is that in which they finished."""
    head, _, body = lock.partition("stages:\n")
    assert head == "schema: '2.0'\n"
    found: dict[str, str] = {}
    name = ""
    for line in body.splitlines(keepends=True):
        if line.startswith("  ") and line[2] not in " -":
            name = line
        found[name] = found.get(name, "") + line
    return found
