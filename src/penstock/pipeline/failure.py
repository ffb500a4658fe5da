"""What it means, in words and with the place, when a stage fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from penstock.domain.pipeline import Stage
from penstock.domain.verdict import Verdict
from penstock.errors import PenstockError, Span, StageError
from penstock.pipeline.executors import Ended

TAIL_LINES = 20
SHOWN_LINES = 10


def failed(stage: Stage, ended: Ended, attempts: int, log: Path, shown: str) -> StageError:
    """Return what a command that failed means: how, after how long, its last lines.

    Args:
        stage: that it belongs to.
        ended: how it ended.
        attempts: how often it was tried.
        log: file with its output.
        shown: what messages call that file.
    """
    if ended.stopped:
        return StageError("stopped", code="stage.stopped", span=Span(*stage.place))
    if ended.error:
        what = ended.error
    elif ended.timed_out:
        what = f"stage {stage.address} took longer than its limit of {stage.resources.timeout:g} s"
    elif ended.exit_code < 0:
        what = f"stage {stage.address} was killed by {_signal_name(-ended.exit_code)}"
    else:
        what = f"stage {stage.address} failed with exit code {ended.exit_code}"
    facts = [f"after {ended.seconds:.1f} s"]
    if ended.peak_memory:
        facts.append(f"peak memory {ended.peak_memory / 1e6:.0f} MB")
    if attempts > 1:
        facts.append(f"{attempts} attempts")
    hint = f"its whole output is in {shown}"
    if ended.exit_code == -signal.SIGKILL and not ended.timed_out:
        hint = f"perhaps the machine ran out of memory; {hint}"
    return StageError(
        f"{what} ({', '.join(facts)})",
        code="stage.timed-out" if ended.timed_out else "stage.failed",
        span=Span(*stage.place),
        hint=hint,
        log_tail=tail(log),
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(stream.tell() - 16_384, 0))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]


def stop_on(stage: Stage, verdicts: Sequence[Verdict], when: str) -> None:
    """Raise StageError ``stage.test-failed`` for the first verdict that stops."""
    bad = [verdict for verdict in verdicts if verdict.stops]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise StageError(
            f"a test {when} stage {stage.address} {bad[0].outcome.value}: {bad[0].name}{more}",
            code="stage.test-failed",
            span=Span(*stage.place),
            hint=bad[0].hint,
            log_tail=bad[0].words.splitlines()[-TAIL_LINES:],
        )


def words(error: PenstockError) -> str:
    """Return an error as a stage run carries it: place, message, remedy, last lines."""
    place = f"{error.span}: " if error.span else ""
    said = f"{place}{error.message}" + (f"; {error.hint}" if error.hint else "")
    return "\n".join([said, *(f"  | {line}" for line in error.log_tail[-SHOWN_LINES:])])
