"""`penstock init`: adopts a repository; asks only what it cannot find."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.adoption import Adoption, Guess, adopt, certain, columns_of, likely_task
from penstock.cli.options import common
from penstock.config import FILE
from penstock.domain.pipeline import Pipeline
from penstock.errors import ConfigError, Problem, StateError, UsageError

IGNORED = (".penstock/", "mlflow.db", "mlartifacts/")

_EXAMPLE = """\
penstock runs the pipeline that dvc.yaml describes. The smallest one, with your own commands:

  stages:
    train:
      cmd: python src/train.py
      deps: [src/train.py, data/train.csv]
      outs: [models/model]
    evaluate:
      cmd: python src/evaluate.py
      deps: [src/evaluate.py, models/model, data/test.csv]
      metrics:
        - metrics.json: {cache: false}

Save it as dvc.yaml, then `penstock init` again"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What stands in the new penstock.yaml."""

    name: str
    model: str
    test_data: str
    target: str
    task: str | None
    tests: dict[str, dict[str, list[str]]]


@click.command()
@click.option("--name", help="Name of the registered model.")
@click.option("--model", metavar="PATH", help="Where the pipeline leaves the model.")
@click.option("--test-data", metavar="PATH", help="Data on which candidates are judged.")
@click.option("--target", metavar="COLUMN", help="Target column of the test data.")
@click.option(
    "-y", "--yes", is_flag=True, help="Ask nothing; end with 2 when something is missing."
)
@click.option("--force", is_flag=True, help="Replace a penstock.yaml that is there.")
@common(find=False)
def init(project: Path, yes: bool, force: bool, **given: str | None) -> None:
    """Adopt this repository: write a commented penstock.yaml.

    Looks at dvc.yaml, the code and the data for the model, the test data, the target column and the
    tests of each stage, and asks for what it cannot find.

    \b
    Examples:
      penstock init                     look around, ask what is missing
      penstock init --yes               for scripts: ask nothing
      penstock init --target late       say what cannot be found
    """
    pipeline = _pipeline(project)
    path = project / FILE
    if path.exists() and not force:
        raise StateError(
            f"{FILE} is there already",
            code="init.exists",
            hint="`penstock doctor` checks it; `penstock init --force` replaces it",
        )
    ask = not yes and not output.wants_json() and sys.stdin.isatty()
    answers, reasons = _answers(project, pipeline, given, ask=ask)
    _write(path, penstock_yaml(answers))
    ignored = _ignore(project / ".gitignore")
    from penstock.artifacts.home import initialise_dvc
    from penstock.config import check

    initialised = initialise_dvc(project)
    check(path)
    data = {"file": str(path), "ignored": ignored, "reasons": reasons, **_plain(answers)}
    data["dvc_initialised"] = initialised
    output.emit(data, lambda: _tell(answers, reasons, ignored, initialised=initialised))


def _plain(answers: Answers) -> dict[str, Any]:
    return {name: getattr(answers, name) for name in answers.__slots__}


def _pipeline(project: Path) -> Pipeline:
    if not _in_git(project):
        raise StateError(
            f"{project} is not in a Git repository",
            code="pipeline.no-git",
            hint="make it one: `git init && git add . && git commit -m 'First commit'`",
        )
    if not (project / "dvc.yaml").is_file():
        below = sorted(path.parent.name for path in project.glob("*/dvc.yaml"))
        hint = f"there is one in {below[0]}: `penstock init -C {below[0]}`" if below else _EXAMPLE
        raise StateError(f"no dvc.yaml in {project}", code="init.no-dvc-yaml", hint=hint)
    from penstock.pipeline import load

    return load(project)


def _in_git(project: Path) -> bool:
    if shutil.which("git") is None:
        raise StateError(
            "git is not installed", code="init.no-git-program", hint="`apt-get install git`"
        )
    words = ["git", "-C", str(project), "rev-parse", "--is-inside-work-tree"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _answers(
    project: Path, pipeline: Pipeline, given: dict[str, str | None], *, ask: bool
) -> tuple[Answers, dict[str, str]]:
    """Settle each setting: as given, as found, as asked; all that is missing is one error."""
    reasons: dict[str, str] = {}
    missing: list[Problem] = []
    found = adopt(project, pipeline, model=given["model"], test_data=given["test_data"])

    def settle(key: str, option: str, what: str, guesses: Sequence[Guess]) -> str:
        value = given[key]
        if value is not None:
            reasons[key] = "as you said"
            return value
        if (value := certain(guesses)) is not None:
            reasons[key] = guesses[0].reason
            return value
        if ask:
            reasons[key] = "as you said"
            return _ask(what, guesses)
        missing.append(_missing(key, option, what, guesses))
        return ""

    model = settle("model", "--model", "the model, an out of dvc.yaml", found.model)
    found = _again(project, pipeline, found, model, given["test_data"])
    test_data = settle("test_data", "--test-data", "the test data", found.test_data)
    found = _again(project, pipeline, found, model, test_data or None)
    target = settle("target", "--target", "the target column", found.target)
    columns = columns_of(project / test_data) if test_data else ()
    if target and columns and target not in columns:
        missing.append(_no_column(target, test_data, columns))
    if missing:
        text = missing[0].message if len(missing) == 1 else "penstock init needs to be told more"
        hint = missing[0].hint if len(missing) == 1 else None
        raise UsageError(text, code=missing[0].code, hint=hint, problems=missing)
    name = given["name"] or found.name
    task = likely_task(project, pipeline, test_data, target)
    return Answers(name, model, test_data, target, task, found.tests), reasons


def _again(
    project: Path, pipeline: Pipeline, found: Adoption, model: str, test_data: str | None
) -> Adoption:
    """Look again with what is known by now."""
    return adopt(project, pipeline, model=model, test_data=test_data) if model else found


def _ask(what: str, guesses: Sequence[Guess]) -> str:
    if guesses:
        output.note(f"Several could be {what}:")
        for guess in guesses[:8]:
            output.note(f"  {guess.value}  ({guess.reason})")
    default = guesses[0].value if guesses else None
    answer: str = click.prompt(f"What is {what}?", default=default, err=True)
    return answer.strip()


def _missing(key: str, option: str, what: str, guesses: Sequence[Guess]) -> Problem:
    near = ", ".join(f"`{guess.value}`" for guess in guesses[:5])
    hint = f"say it: `penstock init {option} ...`" + (f", such as {near}" if near else "")
    if key == "target" and not guesses:
        hint += "; it is found more often once the pipeline has run and the data is there"
    why = "several could be it" if guesses else "nothing looks like it"
    return Problem(
        f"init.missing-{key.replace('_', '-')}", f"cannot tell {what}: {why}", None, hint
    )


def _no_column(target: str, test_data: str, columns: Sequence[str]) -> Problem:
    import difflib

    near = difflib.get_close_matches(target, columns, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"its columns: {', '.join(columns[:12])}"
    return Problem("init.no-such-column", f"{test_data} has no column `{target}`", None, hint)


def penstock_yaml(answers: Answers) -> str:
    """Return a commented penstock.yaml."""
    lines = [
        "# What must hold of the model, and where it goes. `penstock doctor` checks this file;",
        "# `penstock schema` prints its JSON Schema for editors.",
        "model:",
        f"  name: {_scalar(answers.name)}",
        f"  path: {_scalar(answers.model)} # an out in dvc.yaml",
        f"  test_data: {_scalar(answers.test_data)} # candidates are judged on it",
        f"  target: {_scalar(answers.target)}",
    ]
    if answers.task:
        lines.append(f"  task: {answers.task}")
    lines += ["", "# Tests by stage, run with pytest: a failing one stops what depends on it."]
    if answers.tests:
        lines.append("tests:")
        lines += [_test_line(stage, tests) for stage, tests in answers.tests.items()]
    else:
        lines += ["# tests:", "#   train: {after: tests/test_train.py}"]
    lines += ["", *_gate_lines(answers.task), ""]
    lines += [
        "# Where the champion answers; this machine only, unless `host` says otherwise.",
        "serve: {port: 8080}",
        "",
        "# From champion to challenger: a shadow first, then rising weights, watched all the way;",
        "# it goes back by itself when the evidence says so.",
        "rollout:",
        "  steps: [shadow, 5%, 25%, 100%]",
    ]
    return "\n".join(lines) + "\n"


def _test_line(stage: str, tests: dict[str, list[str]]) -> str:
    parts = []
    for when, targets in tests.items():
        listed = ", ".join(_scalar(one) for one in targets)
        parts.append(f"{when}: {listed}" if len(targets) == 1 else f"{when}: [{listed}]")
    return f"  {_scalar(stage)}: {{{', '.join(parts)}}}"


def _gate_lines(task: str | None) -> list[str]:
    lines = [
        "# What a candidate must meet. `+/-` is how exactly it must be known: too little test data",
        "# makes a verdict inconclusive; `penstock gates size` says how much it takes.",
        "gates:",
    ]
    if task == "regression":
        better = "candidate.median_absolute_error < baseline.median_absolute_error"
        lines.append(f"  - {better} # than the mean of the target")
        lines.append("  # in the target's unit; no single error counts for more than 10:")
        lines.append("  # - candidate.mae(clip=10) - champion.mae(clip=10) < 0.1 +/- 0.1")
    else:
        lines.append("  - candidate.accuracy > baseline.accuracy # better than the usual class")
        lines.append("  - candidate.accuracy - champion.accuracy > -0.02 +/- 0.02 # no worse")
    return lines


def _scalar(text: str) -> str:
    """Return a text as a YAML scalar, quoted where it would mean something else."""
    from penstock.config.source import read

    for written in (text, "'" + text.replace("'", "''") + "'"):
        try:
            if read(f"{{a: {written} }}").value == {"a": text}:
                return written
        except ConfigError:
            continue
    import json

    return json.dumps(text)


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _ignore(path: Path) -> list[str]:
    """Add what penstock writes to .gitignore; return what was added."""
    text = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    have = {line.strip().strip("/") for line in text.splitlines()}
    added = [name for name in IGNORED if name.strip("/") not in have]
    if added:
        gap = "" if not text or text.endswith("\n") else "\n"
        path.write_text(
            text + gap + "".join(f"/{name}\n" for name in added),
            encoding="utf-8",
            errors="surrogateescape",
        )
    return added


def _tell(
    answers: Answers, reasons: dict[str, str], ignored: list[str], *, initialised: bool
) -> None:
    labels = {"model": "model", "test_data": "test data", "target": "target"}
    click.echo(f"{FILE} is written:")
    rows = [(labels[key], getattr(answers, key), f"({reasons[key]})") for key in labels]
    width = max(len(str(value)) for _, value, _ in rows)
    for label, value, reason in rows:
        click.echo(f"  {label:<10} {value:<{width}}  {reason}")
    for stage, tests in answers.tests.items():
        for when, targets in tests.items():
            click.echo(f"  {'tests':<10} {', '.join(targets)}  ({when} {stage})")
    if ignored:
        click.echo(f"  {'.gitignore':<10} + {' '.join(ignored)}")
    if initialised:
        click.echo(f"  {'.dvc':<10} made, as `dvc init` does: data and models are kept there")
    click.echo("\nNext: read it, then `penstock plan` and `penstock run`.")
