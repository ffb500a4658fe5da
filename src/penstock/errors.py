"""The tree of errors, and what each costs on the command line.

    PenstockError                 something could not be done
    ├─ UsageError            2    wrong words on the command line
    ├─ ConfigError           3    a file that the user wrote is wrong: all problems at once
    ├─ StageError            4    a stage failed, its output is missing, the workspace is dirty
    ├─ StateError            5    not found, conflict, illegal transition
    ├─ UnavailableError      6    registry, store, target or disk cannot be reached (retryable)
    └─ PluginError           7    an extension is not found or is broken

A "no" is not an error: a failed gate is a `Verdict`, and the command that met it ends with 1.
Anything that is not a `PenstockError` is a bug; the command line keeps its traceback in a file
and ends with 70.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

_LONGEST_REASON = 200


class ExitCode(enum.IntEnum):
    """Exit codes of every penstock command."""

    DONE = 0
    """It was done; the answer is yes."""
    NO = 1
    """It was done; the answer is no (a gate failed, a rollout was rolled back)."""
    USAGE = 2
    """Wrong words on the command line."""
    CONFIG = 3
    """A file that the user wrote is wrong."""
    STAGE = 4
    """A stage of the pipeline could not be run."""
    STATE = 5
    """Not found, in conflict, or not allowed now."""
    UNAVAILABLE = 6
    """Something needed cannot be reached; trying again may help."""
    PLUGIN = 7
    """An extension is missing or broken."""
    BUG = 70
    """A mistake of penstock's own."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file that a person wrote; lines and columns count from 1."""

    file: str
    line: int
    column: int
    end_column: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what to do about it."""

    code: str
    message: str
    span: Span | None = None
    hint: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as plain values, for `--json` and the API."""
        place = None
        if self.span is not None:
            place = {"file": self.span.file, "line": self.span.line, "column": self.span.column}
        return {"code": self.code, "message": self.message, "place": place, "hint": self.hint}


class PenstockError(Exception):
    """Something could not be done.

    Args:
        message: what is wrong, in one sentence without a full stop.
        code: a stable dotted name, such as ``config.unknown-key``.
        hint: what to do about it.
        span: the place in a user's file.
        problems: all problems, where there are several; `message` then sums them up.
        log_tail: last lines of the output of whatever failed.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str | None = None,
        span: Span | None = None,
        problems: Sequence[Problem] = (),
        log_tail: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.span = span
        self.problems = tuple(problems) or (Problem(code, message, span, hint),)
        self.log_tail = tuple(log_tail)

    def to_dict(self) -> dict[str, Any]:
        """Return the error as plain values, one shape for `--json`, the API and the journal."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit_code": int(self.exit_code),
            "retryable": self.retryable,
            "problems": [problem.to_dict() for problem in self.problems],
            "log_tail": list(self.log_tail),
        }


class UsageError(PenstockError):
    """Wrong words on the command line."""

    exit_code = ExitCode.USAGE


class ConfigError(PenstockError):
    """A file that the user wrote is wrong."""

    exit_code = ExitCode.CONFIG

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ConfigError:
        """Make one error of all problems of a file; the first one names its code."""
        first = problems[0]
        if len(problems) == 1:
            return cls(first.message, code=first.code, hint=first.hint, span=first.span)
        message = f"{len(problems)} problems in what you wrote"
        return cls(message, code=first.code, span=first.span, problems=problems)


class StageError(PenstockError):
    """A stage of the pipeline could not be run."""

    exit_code = ExitCode.STAGE


class StateError(PenstockError):
    """Not found, in conflict, or not allowed now."""

    exit_code = ExitCode.STATE


class UnavailableError(PenstockError):
    """Something needed cannot be reached; trying again may help."""

    exit_code = ExitCode.UNAVAILABLE
    retryable = True


class PluginError(PenstockError):
    """An extension is missing or broken."""

    exit_code = ExitCode.PLUGIN


def reason(error: BaseException) -> str:
    """Return why, in one line: the innermost of what libraries wrapped again and again.

    >>> reason(ConnectionRefusedError(111, "Connection refused"))
    'Connection refused'
    """
    while inner := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = inner
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = said.strip().splitlines() or [type(error).__name__]
    line = lines[-1] if lines[0].endswith(":") else lines[0]  # after a colon comes a list
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
