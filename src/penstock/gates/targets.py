"""Pytest targets: whether they exist, found out before anything runs."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import Problem, Span


@dataclass(frozen=True, slots=True)
class StageTest:
    """Pytest targets that must hold before or after a stage.

    Attributes:
        stage: the stage's address; ``train`` also stands for ``train@...`` made by `foreach`.
        when: ``before`` or ``after``.
        targets: files, directories or node ids (``tests/test_x.py::test_y``), from the root.
        span: where they were written.
        timeout: seconds.
    """

    stage: str
    when: str
    targets: tuple[str, ...]
    span: Span | None = None
    timeout: float = 1800.0


def target_file(root: Path, target: str) -> Path:
    """Return the file or directory that a target stands in."""
    return root / target.partition("::")[0]


def target_problems(root: Path, test: StageTest) -> list[Problem]:
    """Return all that is wrong with the targets of one stage test."""
    found: list[Problem] = []
    if test.when not in {"before", "after"}:
        found.append(
            Problem(
                "tests.bad-moment",
                f"tests run before or after a stage, not {test.when!r}",
                test.span,
                "write {before: FILE} or {after: FILE}",
            )
        )
    if not test.targets:
        found.append(Problem("tests.no-target", f"no tests are named for {test.stage}", test.span))
    for target in test.targets:
        found += _problems(root, target, test.span)
    return found


def _problems(root: Path, target: str, span: Span | None) -> list[Problem]:
    path = target_file(root, target)
    if not target.strip() or target.startswith("-") or "\0" in target:
        return [Problem("tests.bad-target", f"{target!r} is not a pytest target", span)]
    if not path.resolve().is_relative_to(root.resolve()):
        message = f"the tests {target} stand outside the project"
        return [Problem("tests.outside", message, span, "move them below the project's root")]
    if not path.exists():
        hint = _near(path.name, (one.name for one in _siblings(path))) or (
            f"create {target.partition('::')[0]} or correct the path"
        )
        return [Problem("tests.no-target", f"the tests {target} do not exist", span, hint)]
    _, _, node = target.partition("::")
    return _node_problems(path, node, target, span) if node else []


def _node_problems(path: Path, node: str, target: str, span: Span | None) -> list[Problem]:
    """Look a node id up in the source, as far as that can be told without importing it."""
    if path.is_dir():
        message = f"{target} names a test within a directory, not within a file"
        return [Problem("tests.bad-target", message, span)]
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return []  # pytest reports it with the place in the file itself
    for part in node.partition("[")[0].split("::"):
        names = _definitions(body)
        if part not in names:
            message = f"there is no {part} in {target.partition('::')[0]}"
            return [Problem("tests.no-target", message, span, _near(part, names))]
        inner = names[part]
        if not isinstance(inner, ast.ClassDef) or inner.bases:
            return []  # a class with a base may inherit tests that its source does not show
        body = inner.body
    return []


def _definitions(body: Iterable[ast.stmt]) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for one in body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[one.name] = one
        elif isinstance(one, ast.If | ast.Try | ast.With):
            found |= _definitions(one.body)
        elif isinstance(one, ast.Assign):
            found |= {t.id: one for t in one.targets if isinstance(t, ast.Name)}
        elif isinstance(one, ast.ImportFrom | ast.Import):
            found |= {alias.asname or alias.name: one for alias in one.names}
    return found


def _siblings(path: Path) -> list[Path]:
    return sorted(path.parent.iterdir()) if path.parent.is_dir() else []


def _near(name: str, names: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]}?" if close else None
