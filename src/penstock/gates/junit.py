"""Reading JUnit XML: what pytest found out, as plain values."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import StateError

_MESSAGE_CHARS = 300


@dataclass(frozen=True, slots=True)
class TestFailure:
    """One test that did not hold.

    Attributes:
        test: its node id, such as ``tests/test_train.py::test_loss_falls``.
        message: the assertion or exception, in one line.
        line: of the file where it failed, None when unknown.
        broken: whether it could not be run at all (a fixture or import failed).
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    test: str
    message: str
    line: int | None = None
    broken: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class JUnit:
    """Counts and failures of one test report.

    Attributes:
        total, passed, skipped: numbers of tests.
        failures: tests that failed or broke, in their order.
        skip_reasons: distinct reasons of skipped tests.
        seconds: wall time.
    """

    total: int
    passed: int
    skipped: int
    failures: tuple[TestFailure, ...]
    skip_reasons: tuple[str, ...]
    seconds: float


def read_junit(path: Path) -> JUnit:
    """Read a report that pytest wrote.

    Raises:
        StateError: ``tests.bad-report`` when the file is missing or is not JUnit XML.
    """
    try:
        # Written by the pytest process just before; expat refuses runaway entities.
        tree = ET.parse(path).getroot()  # noqa: S314
    except (OSError, ET.ParseError) as error:
        raise StateError(
            f"pytest left no readable report: {error}",
            code="tests.bad-report",
            hint="is the disk full, or does a test end the process (os._exit)?",
        ) from error
    cases = list(tree.iter("testcase"))
    failures = [one for case in cases for one in _failure(case)]
    skips = [one for case in cases for one in case.findall("skipped")]
    seconds = sum(_number(suite.get("time")) for suite in tree.iter("testsuite"))
    reasons = dict.fromkeys(_line(one.get("message") or one.text or "") for one in skips)
    bad = {failure.test for failure in failures}
    return JUnit(
        total=len(cases),
        passed=len(cases) - len(skips) - len(bad),
        skipped=len(skips),
        failures=tuple(failures),
        skip_reasons=tuple(reasons),
        seconds=seconds,
    )


def _failure(case: ET.Element) -> list[TestFailure]:
    for tag in ("failure", "error"):
        found = case.find(tag)
        if found is not None:
            text = found.text or ""
            return [
                TestFailure(
                    _node_id(case, text),
                    _message(found.get("message") or "", text),
                    _last_line_number(text),
                    tag == "error",
                )
            ]
    return []


def _node_id(case: ET.Element, text: str) -> str:
    """Return ``file.py::Class::test`` from ``classname="dir.file.Class" name="test"``."""
    name, classname = case.get("name") or "", case.get("classname") or ""
    if not classname:  # a file that could not be imported stands as the name itself
        return name.replace(".", "/") + ".py" if "/" not in name and "." in name else name
    parts = classname.split(".")
    where = re.search(r"^(\S+\.py):\d+:", text, re.MULTILINE)
    for count in range(len(parts), 0, -1):
        file = "/".join(parts[:count]) + ".py"
        if (where and where.group(1).endswith(file)) or parts[count - 1].startswith("test_"):
            return "::".join([file, *parts[count:], name])
    return "::".join(["/".join(parts) + ".py", name])


def _message(message: str, text: str) -> str:
    """Prefer pytest's own explanation (the ``E`` lines), for it holds the compared values."""
    lines = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return _line(lines[0] if lines else message)


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MESSAGE_CHARS else flat[: _MESSAGE_CHARS - 1] + "…"


def _last_line_number(text: str) -> int | None:
    found = re.findall(r"^\S+\.py:(\d+):", text, re.MULTILINE)
    return int(found[-1]) if found else None


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
