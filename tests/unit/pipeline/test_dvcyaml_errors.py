"""Every mistake in dvc.yaml is told with its place and a remedy, all of them at once."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.pipeline import load


def problems(tmp_path, text: str, **files: str) -> list[str]:
    (tmp_path / "dvc.yaml").write_text(text)
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError) as wrong:
        load(tmp_path)
    return [
        f"{one.span}: {one.message}" + (f" ({one.hint})" if one.hint else "")
        for one in wrong.value.problems
    ]


def test_all_problems_of_a_file_come_at_once(tmp_path):
    text = """\
stages:
  train:
    cmd: python train.py
    dep: [a]
    outs:
    - model:
        cahce: false
    frozen: maybe
  score:
    deps: a
"""
    assert problems(tmp_path, text) == [
        "dvc.yaml:4:5: stage train has no key 'dep' (did you mean 'deps'?)",
        "dvc.yaml:8:13: frozen must be true or false, not the text 'maybe'",
        "dvc.yaml:7:9: an entry of outs has no key 'cahce' (did you mean 'cache'?)",
        "dvc.yaml:9:3: stage score has no cmd",
        "dvc.yaml:10:11: deps must be a list, not the text 'a'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stages: []\n", "dvc.yaml:1:9: stages must be a mapping, not a list"),
        ("stage: {}\n", "dvc.yaml:1:1: dvc.yaml has no key 'stage' (did you mean 'stages'?)"),
        (
            "stages:\n  a:\n    cmd: echo ${b.c}\n",
            "dvc.yaml:3:10: nothing is called 'b.c'",
        ),
        (
            "vars: [{b: [1]}]\nstages:\n  a:\n    cmd: echo ${b}\n",
            "dvc.yaml:4:10: a list cannot stand here, only a single value",
        ),
        (
            "vars: [{b: 1}, {b: 2}]\nstages: {}\n",
            "dvc.yaml:1:16: vars[1] defines b again",
        ),
        ("vars: [no.yaml]\n", "dvc.yaml:1:8: the file no.yaml does not exist"),
        (
            "stages:\n  a:\n    foreach: 3\n    do: {cmd: x}\n",
            "dvc.yaml:3:14: foreach must be a list, a mapping or ${...}, not the number 3",
        ),
        (
            "stages:\n  a:\n    foreach: [x]\n",
            "dvc.yaml:3:5: foreach needs do",
        ),
        (
            "stages:\n  a:\n    cmd: x\n    meta: {penstock: {memory: lots}}\n",
            "dvc.yaml:4:23: memory cannot be 'lots' (for example `memory: 4GB`)",
        ),
        (
            "stages:\n  a:\n    cmd: x\n    meta: {penstock: {cpu: 2}}\n",
            "dvc.yaml:4:23: meta.penstock has no 'cpu' (did you mean 'cpus'?)",
        ),
        (
            "stages:\n  a: {cmd: x, deps: [b], outs: [b]}\n",
            (
                "dvc.yaml:2:22: stage a both reads and writes b"
                " (remove it from deps, or give the output another name)"
            ),
        ),
        (
            (
                "stages:\n  a: {cmd: x, deps: [d], outs: [b]}\n"
                "  b: {cmd: x, deps: [b], outs: [c]}\n  c: {cmd: x, deps: [c], outs: [d]}\n"
            ),
            (
                "dvc.yaml:2:3: stages wait for each other: a -> c -> b -> a"
                " (an arrow means: reads an output of; remove one of these dependencies)"
            ),
        ),
        (
            "stages:\n  a: {cmd: x, outs: [b]}\n  c: {cmd: x, outs: [./b]}\n",
            (
                "dvc.yaml:3:22: ./b is an output of stage a too (dvc.yaml:2:22)"
                " (each file has one stage that writes it)"
            ),
        ),
        (
            "stages:\n  a: {cmd: x, outs: [b]}\n  c: {cmd: x, outs: [b/c]}\n",
            (
                "dvc.yaml:3:22: the output b/c lies in b, an output of stage a (dvc.yaml:2:22)"
                " (name either the directory or the files in it)"
            ),
        ),
        (
            "stages:\n  a: {cmd: x, outs: [../b]}\n",
            (
                "dvc.yaml:2:22: the output ../b lies outside the project"
                " (outputs must lie below the project's root, or say `cache: false`)"
            ),
        ),
        (
            "stages:\n  a: {cmd: x, outs: [.git/x]}\n",
            "dvc.yaml:2:22: the output .git/x lies in .git (choose another directory)",
        ),
        (
            "stages:\n  a: {cmd: x, wdir: ../other}\n",
            "dvc.yaml:2:3: the working directory of stage a lies outside the project",
        ),
        (
            "stages:\n  a: {cmd: x, deps: ['hdfs://b/k']}\n",
            (
                "dvc.yaml:2:22: the dependency hdfs://b/k is at an address of a kind that is not "
                "understood (http, https, s3, gs, azure, ssh and remote:// are; else track it "
                "with `dvc import`)"
            ),
        ),
        (
            "stages:\n  a: {cmd: x, outs: ['s3://b/k']}\n",
            (
                "dvc.yaml:2:22: the output s3://b/k lies outside the project, where the cache "
                "cannot keep it (say `cache: false`, as DVC 3 wants it, or write it within the "
                "project)"
            ),
        ),
        (
            "stages:\n  a: {cmd: x, outs: [{'https://h/k': {cache: false}}]}\n",
            (
                "dvc.yaml:2:22: the output https://h/k is on a web server, where nothing can be "
                "removed (write it elsewhere)"
            ),
        ),
        (
            "vars: [{a: ''}]\nstages:\n  a: {cmd: '${a}'}\n",
            "dvc.yaml:3:12: the cmd of a is empty",
        ),
        (
            "vars: [{a: 1, b: 'x ${a}'}]\nstages:\n  a: {cmd: x}\n",
            ("dvc.yaml:1:8: vars are where values come from; ${...} cannot stand in them"),
        ),
        (
            "vars: [{a: }]\nstages:\n  a: {foreach: '${a}', do: {cmd: x}}\n",
            "dvc.yaml:3:16: foreach needs a list or a mapping to go over",
        ),
        (
            "stages:\n  a: {matrix: {}, cmd: x}\n",
            "dvc.yaml:2:15: matrix has no values to go over",
        ),
        (
            "stages:\n  a: {cmd: x, deps: [out/in], outs: [out]}\n",
            (
                "dvc.yaml:2:22: stage a both reads and writes out/in and out"
                " (remove it from deps, or give the output another name)"
            ),
        ),
        (
            "plots: [{p: {z: 1}}]\nstages:\n  a: {cmd: x}\n",
            "dvc.yaml:1:14: a plot has no key 'z'",
        ),
        (
            "stages:\n  a: {cmd: x, deps: [sub/dvc.yaml]}\n",
            "dvc.yaml:2:22: sub/dvc.yaml is a file of DVC, which cannot be a dependency",
        ),
        (
            "stages:\n  a: {cmd: x, outs: [data.dvc]}\n",
            "dvc.yaml:2:22: data.dvc is a file of DVC, which cannot be an output",
        ),
        (
            "stages:\n  a:\n    matrix: {x: ['1', 1]}\n    cmd: echo ${key}\n  a@1: {cmd: x}\n",
            (
                "dvc.yaml:5:3: the name of stage a@1 has an @, which stands before what foreach"
                " makes"
            ),
        ),
    ],
)
def test_a_mistake(tmp_path, text, expected):
    assert problems(tmp_path, text) == [expected]


def test_mistakes_in_parameter_files_have_their_own_place(tmp_path):
    text = "vars: [p.json]\nstages:\n  a: {cmd: x}\n"
    assert problems(tmp_path, text, **{"p.json": '{"a": }'}) == [
        "p.json:1:7: not valid JSON: Expecting value"
    ]


def test_a_file_that_is_no_dvc_file(tmp_path):
    (tmp_path / "x.dvc").write_text("outs: 3\n")
    assert problems(tmp_path, "stages: {}\n") == [
        (
            "x.dvc:1:7: x.dvc is not a .dvc file"
            " (it needs `outs:`, a list of mappings with `path` and `md5`)"
        )
    ]
