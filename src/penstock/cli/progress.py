"""The live view of a run: a few lines that move on a terminal, plain lines everywhere else."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Self

import click

from penstock.cli.output import coloured, paint
from penstock.domain.run import StageOutcome, StageRun
from penstock.pipeline.progress import Progress

_SHOWN_RUNNING = 12
_COLOURS = ("cyan", "magenta", "yellow", "blue", "green", "bright_red")


class ProgressView:
    """A listener for `penstock.pipeline.execute` that shows a run on standard error.

    On a terminal, what runs, what waits and when all will be done stand below the output of the
    stages; elsewhere each line carries the name of its stage. Nothing is shown when `quiet`, and
    nothing for stages that have nothing to do.

    Args:
        quiet: show nothing at all.
        live: draw on the terminal; None finds out.
    """

    def __init__(self, *, quiet: bool = False, live: bool | None = None) -> None:
        self._quiet = quiet
        dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("CI"))
        self._live = (sys.stderr.isatty() and not dumb) if live is None else live
        self._started: dict[str, float] = {}
        self._waiting: tuple[tuple[str, tuple[str, ...]], ...] = ()
        self._total = 0
        self._done = 0
        self._eta: float | None = None
        self._eta_at = 0.0
        self._colours: dict[str, str] = {}
        self._display: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop()

    def __call__(self, progress: Progress) -> None:
        """Show one thing that happened."""
        if self._quiet:
            return
        if progress.eta is not None:
            self._eta, self._eta_at = progress.eta, time.monotonic()
        match progress.kind:
            case "plan":
                self._total = len((progress.data or {}).get("stages", ()))
                self._done = 0
            case "waiting":
                self._line(progress.text)
            case "stage-started":
                self._begin(progress)
            case "stage-output":
                self._line(progress.text, progress.stage)
            case "stage-finished" if progress.stage_run is not None:
                self._end(progress.stage_run)
            case "run-finished":
                self._stop()
        self._draw()

    def _begin(self, progress: Progress) -> None:
        self._started[progress.stage] = time.monotonic()
        self._waiting = progress.waiting_for or self._waiting
        doing = "restoring" if (progress.data or {}).get("action") == "restore" else "running"
        self._line(f"{doing}: {progress.text}" if progress.text else doing, progress.stage)

    def _end(self, stage_run: StageRun) -> None:
        self._done += 1
        self._started.pop(stage_run.stage, None)
        match stage_run.outcome:
            case StageOutcome.RAN:
                memory = stage_run.peak_memory
                more = f", {memory / 1e6:.0f} MB" if memory else ""
                words = f"done in {stage_run.seconds:.1f} s{more}"
            case StageOutcome.RESTORED:
                words = "taken from the cache"
            case StageOutcome.FAILED:
                words = paint("failed", "red", bold=True)
            case StageOutcome.BLOCKED:
                words = f"not run: {stage_run.error}"
            case _:
                return
        self._line(words, stage_run.stage)

    def _line(self, text: str, stage: str = "") -> None:
        if stage:
            known = self._colours.setdefault(stage, _COLOURS[len(self._colours) % len(_COLOURS)])
            text = f"{paint(stage + ' |', known)} {text}"
        if self._display is not None:
            from rich.text import Text

            self._display.console.print(Text.from_ansi(text))
        else:
            click.echo(text, err=True)

    def _draw(self) -> None:
        if not self._live or not self._started:
            return
        if self._display is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(
                stderr=True, no_color=not coloured(sys.stderr), highlight=False, soft_wrap=True
            )
            self._display = Live(
                console=console,
                auto_refresh=True,
                refresh_per_second=4,
                transient=True,
                get_renderable=self._status,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._display.start()

    def _status(self) -> Any:
        """Return the lines below the output, as they are now."""
        from rich.text import Text

        now = time.monotonic()
        lines = []
        for stage, since in list(self._started.items())[:_SHOWN_RUNNING]:
            lines.append(f"  {stage}  {now - since:.0f} s")
        for stage, needs in self._waiting[:3]:
            left = [one for one in needs if one in self._started]
            if left:
                lines.append(f"  {stage} waits for {', '.join(left[:3])}")
        about = ""
        if self._eta is not None:
            left_seconds = max(self._eta - (now - self._eta_at), 0.0)
            about = f", about {left_seconds:.0f} s left"
        lines.append(f"{self._done} of {self._total} stages{about}")
        return Text("\n".join(lines), style="dim")

    def _stop(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None
