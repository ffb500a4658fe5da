"""Shapes of dvc.yaml as they occur in the wild, resolved by DVC's own code beside ours."""

from __future__ import annotations

import os
import textwrap
from types import SimpleNamespace
from typing import Any

import pytest

from penstock.config import source
from penstock.pipeline.dvcyaml import DvcYaml
from penstock.pipeline.parameters import load

PARAMS = """\
seed: 20170428
prepare: {split: 0.2, seed: 7}
train:
  lr: 1e-3
  layers: [64, 32]
  opts: {deep: true, quiet: false, name: "a b", none: null, sizes: [1, two, 3.5]}
models: [cnn, "x y"]
mixed: [1, 2.5, true, false, two, null]
numbered: {1: one, 2: two, word: three}
pairs: [[1, 2], [3, 4]]
features: {tokens: 1500, types: {a: 1, b: 2}}
0: zero
on: off
"""
CONF = "data: {dir: raw, files: [u.csv, v.csv]}\nmodels_root: models\n"

CORPUS = {
    "get-started": """
        stages:
          prepare:
            cmd: python src/prepare.py data/data.xml
            deps: [data/data.xml, src/prepare.py]
            params: [prepare.seed, prepare.split]
            outs: [data/prepared]
          evaluate:
            cmd: python src/evaluate.py model.pkl data/features
            deps: [model.pkl]
            metrics:
            - eval/live/metrics.json:
                cache: false
            plots:
            - eval/live/plots:
                cache: false
            - eval/importance.png
        """,
    "vars-of-all-kinds": """
        vars:
        - conf.yaml:data
        - local: {deep: {deeper: [1, {x: yes}]}}
        - other: text
        stages:
          one:
            vars: [conf.yaml:models_root, {mine: 3}]
            cmd: run ${local.deep.deeper[1].x} ${other} ${mine} ${models_root} ${ data.dir }
            outs: ['${models_root}/out-${mine}']
          two:
            cmd: ["echo ${seed}", "echo \\\\${seed} $HOME"]
            deps: ['${data.dir}/${data.files[0]}', "${data.files.1}"]
        """,
    "foreach-list": """
        stages:
          build:
            foreach: ${models}
            do:
              cmd: train ${item}
              outs: ["m/${item}.bin"]
        """,
    "foreach-values": """
        stages:
          build:
            foreach: [1, 2.5, true, 1e-5, text]
            do:
              cmd: echo ${item}
        """,
    "foreach-dicts-in-list": """
        stages:
          build:
            foreach:
            - {name: a, n: 1}
            - {name: b, n: 2}
            do:
              cmd: echo ${item.name} ${item.n}
        """,
    "foreach-mapping": """
        stages:
          build:
            foreach:
              uk: {epochs: 3, thresh: 10}
              us: {epochs: 10, thresh: 15}
            do:
              cmd: python train.py ${key} ${item.epochs} ${item.thresh}
              wdir: work/${key}
              deps: [../x]
              params: [seed, {'${key}.yaml': [a.b]}]
              desc: of ${key}
        """,
    "foreach-from-params": """
        stages:
          t:
            foreach: ${features.types}
            do:
              cmd: echo ${key}=${item}
        """,
    "names-of-truth-values": """
        stages:
          literal:
            foreach: [true, false]
            do:
              cmd: echo ${item}
          filled:
            foreach: ${mixed}
            do:
              cmd: echo ${item}
          single:
            foreach: ["${mixed[2]}", "${mixed[3]}", true]
            do:
              cmd: echo ${item}
          grid:
            matrix: {a: "${mixed}", b: [false, "${mixed[2]}"]}
            cmd: echo ${item.a} ${item.b} > ${key}
        """,
    "names-that-are-no-text": """
        stages:
          each:
            foreach: ${numbered}
            do:
              cmd: echo ${item}
          flags:
            cmd: run ${numbered}
        """,
    "lists-of-lists": """
        stages:
          each:
            foreach: ${pairs}
            do:
              cmd: echo ${item[0]} ${item[1]}
          grid:
            matrix: {p: "${pairs}"}
            cmd: echo ${item.p[0]} > ${key}
        """,
    "outs-named-again": """
        stages:
          a:
            cmd: x
            outs: [o, {o: {cache: false}}, {p: {persist: true}, q: {cache: false}}]
        """,
    "no-wdir": """
        stages:
          a:
            wdir: ${train.opts.none}
            cmd: x
        """,
    "matrix": """
        stages:
          train:
            matrix:
              model: [cnn, xgb]
              feature: ${models}
              size: [{n: 1}, {n: 2}]
            cmd: train ${item.model} ${item.feature} ${item.size.n} > ${key}
            outs: ["${key}.pkl"]
        """,
    "flags": """
        stages:
          train:
            cmd: python train.py ${train.opts} --lr ${train.lr}
        """,
    "multi-line": """
        stages:
          a:
            cmd: >-
              python -m tool
              --one ${seed}
              --two
          b:
            cmd: |
              echo ${seed}
              echo two
          c:
            cmd:
            - echo ${seed}
            - |
              echo a
              echo b
        """,
    "whole-params-files": """
        stages:
          a:
            cmd: x
            params:
            - conf.yaml:
            - lr
            - other.toml: [a, b]
        """,
    "anchors": """
        base: &base
        """.replace("base: &base", "vars: &v [{n: 1}]")
    + """
        stages:
          a: &stage
            cmd: echo ${n}
            deps: [x]
          b:
            <<: *stage
            cmd: echo b
        """,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus")
    (path / "params.yaml").write_text(PARAMS)
    (path / "conf.yaml").write_text(CONF)
    return path


def ours(text: str, folder) -> dict[str, Any]:
    def find(name: str) -> Any:
        return load(folder / name, name) if (folder / name).exists() else None

    reader = DvcYaml(source.read(text, file="dvc.yaml"), "", find, lambda _: "")
    stages, problems = reader.read()
    assert not problems
    return {
        stage.name: {
            "cmd": stage.cmd,
            "wdir": None if stage.wdir == "." else stage.wdir,
            "deps": [dep.path for dep in stage.deps],
            "outs": [(out.path, out.cache) for out in stage.outs],
            "params": {one.path: list(one.keys) for one in stage.params},
            "desc": stage.desc,
        }
        for stage in stages
    }


def theirs(text: str, folder, monkeypatch) -> dict[str, Any]:
    from dvc.dependency import _merge_params
    from dvc.fs import LocalFileSystem
    from dvc.output import _merge_data
    from dvc.parsing import DataResolver
    from dvc.utils.serialize import parse_yaml

    monkeypatch.chdir(folder)
    repo = SimpleNamespace(fs=LocalFileSystem(), config={})
    data = parse_yaml(text, "dvc.yaml")
    resolved = DataResolver(repo, os.curdir, data).resolve()["stages"]
    return {
        name: {
            "cmd": one["cmd"],
            "wdir": one.get("wdir"),
            "deps": one.get("deps", []),
            "outs": [
                (path, flags.get("cache", True))
                for section in ("outs", "metrics", "plots")
                for path, flags in _merge_data(one.get(section, [])).items()
            ],
            "params": dict(_merge_params(one.get("params", []))),
            "desc": one.get("desc"),
        }
        for name, one in resolved.items()
    }  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_both_read_the_same(name, folder, monkeypatch):
    text = textwrap.dedent(CORPUS[name])
    assert ours(text, folder) == theirs(text, folder, monkeypatch)
