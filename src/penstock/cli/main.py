"""The command `penstock`: a table of verbs, each imported when it is chosen, and one edge.

`penstock --help` is written from the table alone. Everything that goes wrong ends here: a
`PenstockError` is shown with its place and remedy and gives its exit code; anything else is a bug,
whose traceback goes to a file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any

import click

from penstock.errors import ExitCode, StateError


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table: where a command lives, what it does, under which heading."""

    target: str
    help: str
    section: str


START = "Start"
PIPELINE = "Pipeline, from a commit to a candidate"
GATES = "Gates, from a candidate to a verdict"
ROLLOUTS = "Rollouts, from a model version to all traffic, or back"
LEARNING = "Learning, from live traffic to the next model"
HISTORY = "What is, what was, and why"
SHELL = "For editors and shells"

COMMANDS: dict[str, Verb] = {
    "init": Verb("cli.init:init", "Adopt this repository: write a commented penstock.yaml.", START),
    "demo": Verb("cli.demo:demo", "Walk the whole loop on real flights.", START),
    "doctor": Verb("cli.doctor:doctor", "Say what is wrong here and how to mend it.", START),
    "plan": Verb("cli.pipeline:plan", "Show what would run, why, and for how long.", PIPELINE),
    "run": Verb("cli.run:run", "Run the pipeline, judge the candidate, register it.", PIPELINE),
    "why": Verb("cli.pipeline:why", "Say which byte of what makes a stage run.", PIPELINE),
    "replay": Verb("cli.replay:replay", "Repeat a recorded run and compare.", PIPELINE),
    "gates": Verb("cli.gates:gates", "Ask the gates; size a test set.", GATES),
    "deploy": Verb("cli.deploy:deploy", "Roll a model version out.", ROLLOUTS),
    "rollout": Verb("cli.rollout:rollout", "Watch, pause, resume or abort a rollout.", ROLLOUTS),
    "rollback": Verb("cli.deploy:rollback", "Return to the previous model version.", ROLLOUTS),
    "serve": Verb("cli.deploy:serve", "Serve the champion.", ROLLOUTS),
    "monitor": Verb("cli.monitor:monitor", "Drift, quality and data of the champion.", LEARNING),
    "watch": Verb("cli.watch:watch", "Watch model and data; retrain when it is time.", LEARNING),
    "retrain": Verb("cli.retrain:retrain", "Train again, prove it, replace the model.", LEARNING),
    "status": Verb("cli.state:status", "Show champion, rollout, traffic and last run.", HISTORY),
    "history": Verb("cli.state:history", "Show what happened, each event with its cause.", HISTORY),
    "report": Verb("cli.report:report", "Write the report of a run.", HISTORY),
    "schema": Verb("cli.schema:schema", "Print the JSON Schema of penstock.yaml.", SHELL),
    "completion": Verb("cli.completion:completion", "Print completion for your shell.", SHELL),
}


class Verbs(click.Group):
    """A group that imports a command when it is chosen, and none for its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the loop."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None when there is none of this name."""
        verb = COMMANDS.get(cmd_name)
        return None if verb is None else _import(cmd_name, verb.target)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the table, section by section."""
        for section in dict.fromkeys(verb.section for verb in COMMANDS.values()):
            rows = [
                (f"{name:<10}", verb.help)
                for name, verb in COMMANDS.items()
                if verb.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows, col_max=14)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete the names of commands from the table."""
        from click.shell_completion import CompletionItem

        rows = [(name, verb.help) for name, verb in COMMANDS.items() if name.startswith(incomplete)]
        found = [CompletionItem(name, help=help) for name, help in rows]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _import(name: str, target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    full = f"penstock.{module}"
    try:
        command: click.Command = getattr(import_module(full), attribute)
    except ModuleNotFoundError as error:
        if error.name != full:
            raise
        raise StateError(
            f"`penstock {name}` is not part of this installation",
            code="cli.not-installed",
            hint="install penstock again: `pip install --force-reinstall penstock`",
        ) from None
    return command


def _version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from penstock import __version__

        click.echo(f"penstock {__version__}")
        ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`penstock COMMAND --help` teaches each command by an example.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """From commit to a served, guarded, rolled-back model.

    A project is a Git repository with a dvc.yaml (how the model is made) and a penstock.yaml
    (what must hold and where it goes).
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see `penstock.errors.ExitCode`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _prepare()
    if "_PENSTOCK_COMPLETE" in os.environ:
        cli.main(arguments, prog_name="penstock", complete_var="_PENSTOCK_COMPLETE")
    meta: dict[str, Any] = {}
    began = time.monotonic()
    code = _answer(arguments, meta)
    if meta:
        from penstock.cli.record import record

        record(arguments, meta, code, began)
    return code


def _answer(arguments: list[str], meta: dict[str, Any]) -> int:
    try:
        return _invoke(arguments, meta)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, click.Abort, EOFError):
        with contextlib.suppress(OSError):  # the terminal may be gone
            click.echo("interrupted", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _silence()
        return ExitCode.DONE
    except Exception as error:
        from penstock.cli import failure

        meta["error"] = error
        return failure.report(error, arguments)


def _invoke(arguments: list[str], meta: dict[str, Any]) -> int:
    with cli.make_context("penstock", arguments) as context:
        try:
            answer = cli.invoke(context)
        finally:
            meta |= context.meta
    sys.stdout.flush()
    return answer if isinstance(answer, int) else ExitCode.DONE


def _prepare() -> None:
    """Keep libraries from phoning home; let SIGTERM and a closed terminal end like Ctrl-C."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _silence() -> None:
    """Point the streams at nothing, so that the interpreter does not complain at its end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nothing, stream.fileno())
        except (OSError, ValueError):
            continue
