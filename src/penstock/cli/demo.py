"""`penstock demo`: the whole loop on real flights, in the open."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from penstock.cli import output
from penstock.errors import ExitCode, UsageError

_WIDTH = 88
_DEFAULT = "flights-demo"
_YEAR = "flights-year"


def _json(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[output.JSON] = True


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--fast", is_flag=True, help="Use a sample of the flights.")
@click.option("--year", is_flag=True, help="Replay the year day by day, untouched by anybody.")
@click.option("--days", type=click.IntRange(1, 306), help="Of --year: only so many, from March.")
@click.option("--keep-serving", is_flag=True, help="Leave the gateway up at the end.")
@click.option("-y", "--yes", is_flag=True, help="Replace DIRECTORY if it is there, unasked.")
@click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_json,
    help="Answer as JSON on standard output, at the end.",
)
def demo(
    directory: Path | None, fast: bool, year: bool, days: int | None, keep_serving: bool, yes: bool
) -> int:
    """Walk the whole loop on real flights.

    Makes an ordinary repository in DIRECTORY [./flights-demo] with the flights that left New York
    in 2013, and goes round the loop with the real commands: a first model, new data, a bad commit,
    a model that is bad only live, a rollback, a look back. Each step says what happens, why, and
    how to do it by hand. Needs no account and no server, and under three minutes on two cores.

    \b
    Examples:
      penstock demo
      penstock demo /tmp/flights --fast
      penstock demo --keep-serving && curl -s localhost:8080/version
      penstock demo --year             a quarter of an hour: does retraining pay, and is it safe?
      penstock demo --year --fast      a quarter of the flights, 28 days
    """
    from penstock.demo.steps import walk
    from penstock.demo.walk import Options

    root = (directory or Path(_YEAR if year else _DEFAULT)).resolve()
    if days is not None and not year:
        raise UsageError(
            "--days is of --year", code="demo.days", hint="penstock demo --year --days 60"
        )
    _make_room(root, yes=yes)
    if year:
        from penstock.cli.year import year as replayed

        return replayed(root, days=days, quick=fast)
    options = Options(fast=fast, keep_serving=keep_serving, show=not output.wants_json())
    done = walk(root, Silent() if output.wants_json() else Terminal(), options)
    output.emit(done.to_dict())
    return ExitCode.DONE if all(one.holds for one in done.facts) else ExitCode.NO


def _make_room(root: Path, *, yes: bool) -> None:
    if not root.exists() or not any(root.iterdir()):
        return
    from penstock.errors import StateError

    # Only what a demo made is ever removed, and only by somebody who said so.
    ours = (root / "penstock.yaml").exists() and (root / "src/clean.py").exists()
    if ours and (yes or click.confirm(f"{root} holds an earlier demo. Replace it?", err=True)):
        shutil.rmtree(root)
        return
    raise StateError(
        f"{root} is not empty",
        code="demo.not-empty",
        hint="name a directory that does not exist: `penstock demo DIRECTORY`",
    )


class Silent:
    """Tells nobody."""

    def step(self, number: int, title: str, why: str) -> None:
        """See `Voice`."""

    def by_hand(self, lines: Sequence[str]) -> None:
        """See `Voice`."""

    def command(self, line: str) -> None:
        """See `Voice`."""

    def said(self, text: str) -> None:
        """See `Voice`."""

    def fact(self, text: str, *, holds: bool) -> None:
        """See `Voice`."""

    def end(self, lines: Sequence[str]) -> None:
        """See `Voice`."""


class Terminal:
    """Tells a person, on standard output, between the output of the commands themselves."""

    def step(self, number: int, title: str, why: str) -> None:
        """See `Voice`."""
        rule = "─" * max(0, _WIDTH - len(title) - 6)
        self._write(f"\n{self._bold(f'{number}  {title}')}  {self._dim(rule)}")
        self._write(textwrap.fill(why, _WIDTH))

    def by_hand(self, lines: Sequence[str]) -> None:
        """See `Voice`."""
        self._write(self._dim("\nby hand:"))
        for line in lines:
            self._write(self._dim(f"    {line}"))

    def command(self, line: str) -> None:
        """See `Voice`."""
        self._write(f"\n{self._paint('$', 'cyan')} {self._bold(line)}")

    def said(self, text: str) -> None:
        """See `Voice`."""
        self._write("\n" + textwrap.fill(text, _WIDTH))

    def fact(self, text: str, *, holds: bool) -> None:
        """See `Voice`."""
        mark = self._paint("✓", "green") if holds else self._paint("✗", "red")
        self._write(f"{mark} {textwrap.fill(text, _WIDTH, subsequent_indent='  ')}")

    def end(self, lines: Sequence[str]) -> None:
        """See `Voice`."""
        self._write("\n" + self._dim("─" * _WIDTH))
        for line in lines:
            self._write(line)

    def _write(self, text: str) -> None:
        # Flushed at once: the commands write to the same terminal from processes of their own.
        click.echo(text, color=output.coloured(sys.stdout))

    def _bold(self, text: str) -> str:
        return self._style(text, bold=True)

    def _dim(self, text: str) -> str:
        return self._style(text, dim=True)

    def _paint(self, text: str, colour: str) -> str:
        return self._style(text, colour=colour)

    def _style(
        self, text: str, *, colour: str | None = None, bold: bool = False, dim: bool = False
    ) -> str:
        if not output.coloured(sys.stdout):
            return text
        return click.style(text, fg=colour, bold=bold or None, dim=dim or None)
