"""Examinations of what stands in the repository: Git, dvc.yaml, penstock.yaml, data, tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from penstock.cli.finding import OK, PROBLEM, WARN, Finding, Patient, from_error, git, near
from penstock.errors import PenstockError


def repository(patient: Patient) -> Iterator[Finding]:
    """Look at the Git repository and its changes."""
    root = patient.root
    if shutil.which("git") is None:
        yield Finding("git", PROBLEM, "git is not installed", "`apt-get install git`")
        return
    if git(root, "rev-parse", "--is-inside-work-tree") is None:
        hint = "`git init && git add . && git commit -m 'First commit'`"
        yield Finding("git", PROBLEM, f"{root} is not in a Git repository", hint)
        return
    commit = git(root, "rev-parse", "--short", "HEAD")
    if commit is None:
        hint = "`git add . && git commit -m 'First commit'`"
        yield Finding("git", PROBLEM, "the repository has no commit yet", hint)
        return
    changed = len((git(root, "status", "--porcelain") or "").splitlines())
    if changed:
        hint = "commit them: a model made from uncommitted changes cannot be made again"
        yield Finding("git", WARN, f"at {commit}, with {changed} uncommitted changes", hint)
    else:
        yield Finding("git", OK, f"clean at {commit}")


def identity(patient: Patient) -> Iterator[Finding]:
    """Look at whom Git names in tags."""
    if shutil.which("git") is None:
        return
    who = {key: git(patient.root, "config", f"user.{key}") for key in ("name", "email")}
    missing = [key for key, value in who.items() if not value]
    if missing:
        hint = "; ".join(f"`git config --global user.{key} ...`" for key in missing)
        yield Finding("identity", WARN, "Git does not know who you are (for release tags)", hint)
    else:
        yield Finding("identity", OK, f"{who['name']} <{who['email']}>")


def pipeline(patient: Patient) -> Iterator[Finding]:
    """Read dvc.yaml."""
    from penstock.pipeline import load

    try:
        patient.pipeline = load(patient.root)
    except PenstockError as error:
        yield from from_error("dvc.yaml", error)
        return
    stages = [one for one in patient.pipeline.stages.values() if not one.is_data]
    yield Finding("dvc.yaml", OK, f"{len(stages)} stages")


def settings(patient: Patient) -> Iterator[Finding]:
    """Read penstock.yaml."""
    from penstock.config import FILE, check

    path = patient.root / FILE
    if not path.is_file():
        yield Finding(FILE, PROBLEM, f"there is no {FILE}", "`penstock init` writes one")
        return
    try:
        patient.settings = check(path)
    except PenstockError as error:
        yield from from_error(FILE, error)
        return
    yield Finding(FILE, OK, f"valid, model {patient.settings.model.name}")


def conditions(patient: Patient) -> Iterator[Finding]:
    """Read the conditions of the gates."""
    if patient.settings is None:
        return
    from penstock.gates import parse

    wrong = 0
    for one in patient.settings.gates.conditions:
        try:
            parse(one.text, span=one.span)
        except PenstockError as error:
            wrong += 1
            yield from from_error("gates", error)
    count = len(patient.settings.gates.conditions)
    if not count:
        hint = "add one, such as `- candidate.accuracy > baseline.accuracy`"
        yield Finding("gates", WARN, "no condition: every candidate passes", hint)
    elif not wrong:
        yield Finding("gates", OK, f"{count} conditions")


def model(patient: Patient) -> Iterator[Finding]:
    """Look for the stage that makes the model."""
    if patient.settings is None or patient.pipeline is None:
        return
    path = Path(patient.settings.model.path).as_posix()
    makers = [
        stage.address
        for stage in patient.pipeline.stages.values()
        for out in stage.outs
        if out.full == path or path.startswith(f"{out.full}/")
    ]
    if makers:
        yield Finding("model", OK, f"{path}, made by stage `{makers[0]}`")
        return
    outs = [out.full for stage in patient.pipeline.stages.values() for out in stage.outs]
    like = near(path, outs)
    hint = f"did you mean `{like}`?" if like else "add it to the outs of the stage that trains"
    yield Finding("model", PROBLEM, f"{path} is no out of any stage of dvc.yaml", hint)


def data(patient: Patient) -> Iterator[Finding]:
    """Look at the test data and its target column."""
    if patient.settings is None:
        return
    from penstock.cli.adoption import columns_of

    model = patient.settings.model
    path = patient.root / model.test_data
    if not path.exists():
        made = patient.pipeline is not None and any(
            out.full == Path(model.test_data).as_posix()
            for stage in patient.pipeline.stages.values()
            for out in stage.outs
        )
        hint = "`penstock run` makes it (or `dvc pull` fetches it)" if made else "check its name"
        level = WARN if made else PROBLEM
        yield Finding("test data", level, f"{model.test_data} is not there", hint)
        return
    columns = columns_of(path)
    if not columns:
        hint = "it must be a Parquet or CSV file with a header"
        yield Finding("test data", PROBLEM, f"{model.test_data} cannot be read", hint)
    elif model.target not in columns:
        like = near(model.target, list(columns))
        hint = f"did you mean `{like}`?" if like else f"its columns: {', '.join(columns[:12])}"
        said = f"{model.test_data} has no target column `{model.target}`"
        yield Finding("test data", PROBLEM, said, hint)
    else:
        said = f"{model.test_data}, {len(columns)} columns, target `{model.target}`"
        yield Finding("test data", OK, said)


def tests(patient: Patient) -> Iterator[Finding]:
    """Look for the tests of stages."""
    if patient.settings is None:
        return
    from importlib.util import find_spec

    targets = [(one, target) for one in patient.settings.tests for target in one.targets]
    missing = [
        (one, target)
        for one, target in targets
        if not (patient.root / target.partition("::")[0]).exists()
    ]
    for one, target in missing:
        said = f"{target} (stage `{one.stage}`) is not there"
        place = str(one.span) if one.span is not None else None
        yield Finding("tests", PROBLEM, said, "correct the path, or write the test", place)
    if not targets:
        hint = "add `tests:` to penstock.yaml: `train: tests/test_train.py`"
        yield Finding("tests", WARN, "no stage has tests", hint)
    elif find_spec("pytest") is None:
        yield Finding("tests", PROBLEM, "pytest is not installed", "`pip install pytest`")
    elif not missing:
        stages = {one.stage for one in patient.settings.tests}
        yield Finding("tests", OK, f"{len(targets)} for {len(stages)} stages")
