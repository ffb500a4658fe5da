"""Options that every command has: the project's directory, and answers as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import click

from penstock.cli import output

Function = TypeVar("Function", bound=Callable[..., Any])
PORT = click.IntRange(0, 65535)


@overload
def common(function: Function) -> Function: ...
@overload
def common(function: None = None, *, find: bool = True) -> Callable[[Function], Function]: ...
def common(
    function: Function | None = None, *, find: bool = True
) -> Function | Callable[[Function], Function]:
    """Give a command ``-C/--project DIR`` and ``--json``.

    The function gets ``project: Path``: the directory with penstock.yaml, looked for upwards from
    DIR. ``--json`` is not passed on: `penstock.cli.output.emit` and `wants_json` know it.

    Args:
        function: the command's function.
        find: False for commands that work without a penstock.yaml: `project` is then DIR itself.
    """

    def decorate(target: Function) -> Function:
        project = click.option(
            "-C",
            "--project",
            metavar="DIR",
            default=Path(),
            show_default=False,
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            callback=_find if find else _absolute,
            help="Work in this directory instead of the current one.",
        )
        json = click.option(
            "--json",
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_json,
            help="Answer as JSON on standard output.",
        )
        return project(json(target))

    return decorate if function is None else decorate(function)


def web(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return an option's value if it is an address of the web."""
    if value is not None and not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} does not begin with https:// or http://")
    return value


def _absolute(ctx: click.Context, _option: click.Parameter, value: Path) -> Path:
    directory = value.resolve()
    ctx.meta[output.PROJECT] = directory
    return directory


def _find(ctx: click.Context, option: click.Parameter, value: Path) -> Path:
    directory = _absolute(ctx, option, value)
    if ctx.resilient_parsing:
        return directory
    from penstock.config import find_project

    project = find_project(directory)
    ctx.meta[output.PROJECT] = project
    return project


def _json(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[output.JSON] = True
