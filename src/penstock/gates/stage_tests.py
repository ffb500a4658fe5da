"""Stage tests: pytest before and after the stages of a pipeline, never run in vain.

A target that passed is not run again until something that it depends on has changed: its code,
the stage's inputs and outputs, or the environment (see `inputs`). A failure is not remembered:
asking again is a person's way to find out whether it still fails.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.errors import ConfigError, PenstockError, Problem, StateError
from penstock.gates.inputs import asked, input_key, stage_names
from penstock.gates.subjects import Subjects
from penstock.gates.targets import StageTest, target_problems

__all__ = ["StageTest", "StageTests"]

StagePaths = Callable[[str, str], Sequence[Path] | None]
"""(stage, when) to the paths that the stage reads and, after it, makes."""

_NO_TESTS = 5  # pytest's exit code
_USAGE = 4
_SHOWN = 3


class StageTests:
    """Runs the tests of a mapping around the stages; has the shape of a pipeline's stage hooks.

    Args:
        root: the project; tests run there.
        mapping: which targets, before or after which stage.
        subjects: the models and the data that the tests may ask for by fixture; by default those
            of penstock.yaml and the journal. They count as inputs of the tests that ask for them.
        environment: further variables for the tests; they count as inputs of every test.
        paths: tells what a stage reads and makes; by default dvc.yaml and dvc.lock do.
        state: where verdicts and reports are kept, by default ``.penstock`` in the root.
        python: the interpreter whose pytest is used.
        champion_python: gives the interpreter of the champion's environment; asked only for tests
            that ask for the champion.

    Raises:
        ConfigError: all targets that do not exist, and stages that dvc.yaml does not know, at once.
    """

    def __init__(
        self,
        root: Path,
        mapping: Sequence[StageTest],
        *,
        subjects: Subjects | None = None,
        environment: Mapping[str, str] | None = None,
        paths: StagePaths | None = None,
        state: Path | None = None,
        python: str = sys.executable,
        champion_python: Callable[[Path], str] | None = None,
    ) -> None:
        self.root = root.absolute()
        self.mapping = tuple(mapping)
        self.environment = dict(environment or {})
        self.state = state or self.root / ".penstock"
        self._given = subjects
        self._paths = paths
        self._python = python
        self._champion_python = champion_python
        problems = [one for test in mapping for one in target_problems(self.root, test)]
        problems += _stage_problems(self.root, mapping)
        if problems:
            raise ConfigError.of(problems)

    def before(self, stage: str) -> tuple[Verdict, ...]:
        """Run what must hold before a stage; nothing is said when nothing is mapped."""
        return self._all(stage, "before")

    def after(self, stage: str) -> tuple[Verdict, ...]:
        """Run what must hold after a stage; nothing is said when nothing is mapped."""
        return self._all(stage, "after")

    def report_path(self, stage: str, when: str, number: int = 0) -> Path:
        """Return where the JUnit report of a stage's tests stands, in a folder of its own."""
        folder = re.sub(r"[^A-Za-z0-9._@-]+", "-", stage) + f"-{when}"
        folder += f"-{number + 1}" if number else ""
        return self.state / "reports" / "junit" / folder / "junit.xml"

    def _all(self, stage: str, when: str) -> tuple[Verdict, ...]:
        name = stage.partition("@")[0]
        wanted = [one for one in self.mapping if one.when == when and one.stage in {stage, name}]
        return tuple(self._one(stage, test, number) for number, test in enumerate(wanted))

    def _one(self, stage: str, test: StageTest, number: int) -> Verdict:
        report = self.report_path(stage, test.when, number)
        paths = self._paths(stage, test.when) if self._paths else None
        named = {"PENSTOCK_STAGE": stage, "PENSTOCK_WHEN": test.when, **self.environment}
        key = input_key(
            self.root,
            test,
            stage,
            environment=named,
            subjects=self._subjects.paths(),
            paths=paths,
            python=self._python,
        )
        remembered = self._recall(key, report)
        if remembered is not None:
            return remembered
        report.parent.mkdir(parents=True, exist_ok=True)
        report.unlink(missing_ok=True)
        start = time.monotonic()
        subjects = self._subjects_of(test)
        status, output = self._pytest(test, report, {**subjects.environment(), **named})
        verdict = _verdict(stage, test, status, output, report, self.root)
        verdict = replace(verdict, seconds=time.monotonic() - start)
        if key is not None and verdict.outcome is Outcome.PASSED:
            self._remember(key, verdict, report)
        return verdict

    def _subjects_of(self, test: StageTest) -> Subjects:
        """Return the subjects, the champion with its own interpreter when the test asks for it."""
        subjects = self._subjects
        if (
            self._champion_python is None
            or subjects.champion is None
            or "champion" not in asked(self.root, test.targets)
        ):
            return subjects
        python = self._champion_python(subjects.champion)
        return replace(subjects, champion_python=None if python == self._python else python)

    @cached_property
    def _subjects(self) -> Subjects:
        if self._given is not None:
            return self._given
        try:
            return Subjects.find(self.root)
        except PenstockError:  # tests of code need no penstock.yaml
            return Subjects(self.root)

    def _pytest(
        self, test: StageTest, report: Path, environment: Mapping[str, str]
    ) -> tuple[int | None, list[str]]:
        """Run pytest; return its exit status, None when it was stopped, and its last lines."""
        if shutil.which(self._python) is None:
            raise StateError(
                f"there is no interpreter {self._python}",
                code="gates.no-interpreter",
                hint="`gates.python` in penstock.yaml names it, from the project's root on",
            )
        command = [self._python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", "-o", "junit_family=xunit2", f"--rootdir={self.root}"]
        command += list(test.targets)
        log = report.with_name("pytest.log")
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=_environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status: int | None = process.wait(test.timeout)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return status, [line for line in lines if line.strip()][-20:]

    def _recall(self, key: str | None, report: Path) -> Verdict | None:
        if key is None:
            return None
        kept = self.state / "tests" / f"{key}.json"
        try:
            item = json.loads(kept.read_text(encoding="utf-8"))
            verdict = Verdict.from_dict(item["verdict"])
            if not report.exists() or report.read_text(encoding="utf-8") != item["report"]:
                _write(report, item["report"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        words = f"{verdict.words} (remembered: nothing it depends on has changed)"
        evidence = tuple(
            replace(one, details={**one.details, "remembered": True, "junit": str(report)})
            for one in verdict.evidence
        )
        return replace(verdict, words=words, evidence=evidence, seconds=0.0)

    def _remember(self, key: str, verdict: Verdict, report: Path) -> None:
        item = {"verdict": verdict.to_dict(), "report": report.read_text(encoding="utf-8")}
        with contextlib.suppress(OSError):  # a full disk costs a repetition, not the run
            _write(self.state / "tests" / f"{key}.json", json.dumps(item))


def _verdict(
    stage: str,
    test: StageTest,
    status: int | None,
    output: list[str],
    report: Path,
    root: Path,
) -> Verdict:
    name = f"tests {test.when} {stage}"
    if len(test.targets) == 1:
        name += f": {test.targets[0]}"
    make = partial(Verdict, name, kind="stage-test")
    if status is None:
        words = f"the tests took longer than {test.timeout:g} s and were stopped"
        return make(Outcome.ERROR, words, hint="raise the time allowed or make them smaller")
    if status == _NO_TESTS:
        hint = "test functions are called test_...; see `pytest --collect-only`"
        return make(Outcome.ERROR, f"there is no test in {', '.join(test.targets)}", hint=hint)
    if any("No module named pytest" in line for line in output):
        hint = "add pytest to the project's environment"
        return make(Outcome.ERROR, "pytest is not installed", hint=hint)
    from penstock.gates.junit import read_junit

    try:
        junit = read_junit(report)
    except PenstockError as error:
        last = output[-1] if output else "it printed nothing"
        words = f"pytest ended with status {status}: {last}"
        return make(Outcome.ERROR, words, hint=error.hint)
    if status == _USAGE or (status != 0 and not junit.failures):
        last = output[-1] if output else "it printed nothing"
        return make(Outcome.ERROR, f"pytest could not run the tests: {last}")
    evidence = _evidence(junit, report)
    outcome = Outcome.FAILED if junit.failures else Outcome.PASSED
    if outcome is Outcome.PASSED and not junit.passed:
        words = f"all {junit.skipped} tests were skipped: {'; '.join(junit.skip_reasons)}"
        return make(Outcome.INCONCLUSIVE, words, evidence=(evidence,), blocking=False)
    log = report.with_name("pytest.log")
    place = log.relative_to(root) if log.is_relative_to(root) else log
    where = f"the whole output is in {place}" if junit.failures else None
    return make(outcome, _words(junit), evidence=(evidence,), hint=where)


def _words(junit: Any) -> str:
    broken = sum(one.broken for one in junit.failures)
    parts = [(junit.passed, "passed"), (len(junit.failures) - broken, "failed")]
    parts += [(broken, "could not run"), (junit.skipped, "skipped")]
    words = ", ".join(f"{count} {word}" for count, word in parts if count)
    if not junit.failures:
        return words
    shown = [f"{one.test}: {one.message}" for one in junit.failures[:1]]
    more = [one.test for one in junit.failures[1:_SHOWN]]
    rest = len(junit.failures) - 1 - len(more)
    tail = f"; also {', '.join(more)}" if more else ""
    return f"{words}; {shown[0]}{tail}" + (f" and {rest} more" if rest > 0 else "")


def _evidence(junit: Any, report: Path) -> Evidence:
    details: dict[str, Any] = {
        "passed": junit.passed,
        "skipped": junit.skipped,
        "failures": [one.to_dict() for one in junit.failures],
        "junit": str(report),
        "remembered": False,
    }
    ran = junit.total - junit.skipped
    return Evidence("tests passed", float(junit.passed), n=ran, method="pytest", details=details)


def _stage_problems(root: Path, mapping: Sequence[StageTest]) -> list[Problem]:
    known = stage_names(root)
    found = []
    for test in mapping:
        if known and ":" not in test.stage and test.stage.partition("@")[0] not in known:
            near = difflib.get_close_matches(test.stage, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"stages are {', '.join(known)}"
            message = f"dvc.yaml has no stage {test.stage}"
            found.append(Problem("tests.unknown-stage", message, test.span, hint))
    return found


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return penstock's variables, less those of a pytest that may be running penstock itself."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")
    }
    kept.pop("PYTEST_CURRENT_TEST", None)
    kept |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}
    return kept | dict(extra)


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
