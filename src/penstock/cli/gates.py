"""`penstock gates`: judge again, size a test set, look at the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode


@click.group(invoke_without_command=True)
@common(find=False)
@click.pass_context
def gates(ctx: click.Context, project: Path) -> int:
    """Put the newest candidate to the gates again.

    Without a sub-command the candidate of the newest run is judged by the conditions as they stand
    in penstock.yaml now; what was judged before is recalled. `size` tells how many rows a set of
    conditions needs before anyone labels them, `ledger` how often each test set has decided.

    \b
    Examples:
      penstock gates
      penstock gates size
      penstock gates size "candidate.accuracy - champion.accuracy > -0.01 +/- 0.01"
      penstock gates ledger

    Ends with 0 when the candidate passes, 1 when a gate said no.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from penstock.assembly import Project
    from penstock.cli.run import finish
    from penstock.loop import Loop

    with Project.open(project) as opened:
        walk = Loop(opened).judge_newest()
    return finish(walk)


@gates.command()
@click.argument("conditions", nargs=-1, metavar="[CONDITION]...")
@click.option("--reliability", type=click.FloatRange(0.5, 1, max_open=True), help="[0.999]")
@click.option("--steps", type=click.IntRange(1, 100_000), help="Candidates to judge [32].")
@click.option("--adaptivity", help="none, firstChange, passes(B) or full [none].")
@click.option("--disagree", type=click.FloatRange(0, 1), help="Rows on which models differ [0.1].")
@click.option("--positive", type=click.FloatRange(0, 1), help="Share of positive rows [0.25].")
@click.option("--paper", is_flag=True, help="The table of the ease.ml/ci paper, and ours.")
@common(find=False)
def size(project: Path, conditions: tuple[str, ...], *, paper: bool, **chosen: Any) -> None:
    """Say how many test rows conditions need, before anyone labels them.

    Without CONDITION those of penstock.yaml are sized. Each condition needs a tolerance (+/-): the
    precision that the verdict shall have. The columns hoeffding, bennett and binomial are the
    methods of ease.ml/ci; penstock is what this judge needs for the same promise.

    \b
    Examples:
      penstock gates size
      penstock gates size "n - o > 0.02 +/- 0.01" --adaptivity full --disagree 0.05
      penstock gates size --paper
    """
    if paper:
        _paper()
        return
    from penstock.gates.planning import Expectation
    from penstock.gates.sizing import size as sized

    spec = _spec(project, conditions, chosen)
    given = {name: chosen[name] for name in ("disagree", "positive") if chosen[name] is not None}
    report = sized(spec, expectation=Expectation(**given))
    output.emit(report.to_dict(), lambda: _show(report))


def _spec(project: Path, conditions: tuple[str, ...], chosen: dict[str, Any]) -> Any:
    """Return what is to be sized: what was typed, under the promise of penstock.yaml or typed."""
    from penstock.errors import StateError
    from penstock.gates.conditions import ConditionSpec, GateSpec

    names = ("reliability", "steps", "adaptivity")
    typed = {name: chosen[name] for name in names if chosen[name] is not None}
    entries = tuple(ConditionSpec(one) for one in conditions)
    try:
        from penstock.config import find_project, load_settings

        written = load_settings(find_project(project)).gates
    except StateError:
        if not conditions:
            raise
        return GateSpec(entries, **typed)
    promise = {name: getattr(written, name) for name in names} | typed
    if not conditions:
        entries = tuple(ConditionSpec(one.text, one.span) for one in written.conditions)
    return GateSpec(entries, **promise)


def _show(report: Any) -> None:
    methods = list(dict.fromkeys(name for line in report.lines for name in line.rows))
    header = ["condition", *methods, "saved", "labels"]
    rows = []
    for line in report.lines:
        cells = [f"{line.rows[one]:,}" if one in line.rows else "" for one in methods]
        paper = min((line.rows[one] for one in line.rows if one != "penstock"), default=0)
        ours = line.rows.get("penstock", 0)
        saved = f"{1 - ours / paper:.0%}" if paper and ours else ""
        rows.append([line.condition, *cells, saved, f"{line.labels:,}" if line.labels else ""])
    letters = "".join(chr(ord("b") + index) for index in range(len(header) - 1))
    click.echo(output.table(header, rows, right=letters))
    for line in report.lines:
        if line.method or line.note:
            said = "; ".join(one for one in (line.method, line.note) if one)
            click.echo(f"  {line.condition}: {said}")
    click.echo(
        f"{report.reliability:.10g} reliable over {report.steps} candidates, adaptivity "
        f"{report.adaptivity}: the error is shared by {report.models:,} models, "
        f"{report.alpha:.3g} each"
    )


def _paper() -> None:
    from penstock.gates.sizing import paper_table

    found = paper_table()
    names = ["f1_none", "f1_full", "f2_none", "f2_full"]

    def show() -> None:
        header = ["reliability", "+/-"]
        for name in names:
            header += [name.replace("_", " "), "ours"]
        rows = []
        for row in found:
            cells = [f"{row['reliability']:g}", f"{row['tolerance']:g}"]
            for name in names:
                cells += [f"{row[name]:,}", f"{row[name + '_ours']:,}"]
            rows.append(cells)
        click.echo(output.table(header, rows, right="abcdefghij"))
        click.echo("f1: n > c (ours at 0.9); f2: n - o > c (ours where models differ on 10%)")

    output.emit({"table": found}, show)


@gates.command()
@common
def ledger(project: Path) -> None:
    """Show how often each test set has decided, and what is left of it.

    A test set is known by its rows, not by its name: renaming, sorting or converting the file, or
    changing a few rows, does not make a fresh one.

    \b
    Example:
      penstock gates ledger
    """
    from penstock.config import load_settings
    from penstock.gates.ledger import Ledger
    from penstock.journal import Journal

    steps = load_settings(project).gates.steps
    with Journal(project / ".penstock" / "journal.db") as journal:
        accounts = Ledger(journal).accounts()
    data = [
        {**one.to_dict(), "passes": one.passes, "left": max(0, steps - len(one.uses))}
        for one in accounts
    ]

    def show() -> None:
        if not accounts:
            click.echo("no test set has decided yet")
            return
        header = ["test set", "content", "rows", "used", "passed", "left", "last candidate"]
        rows = [
            [
                one.name,
                one.digest[:12],
                f"{one.rows:,}",
                len(one.uses),
                one.passes,
                max(0, steps - len(one.uses)),
                one.uses[-1].candidate if one.uses else "",
            ]
            for one in accounts
        ]
        click.echo(output.table(header, rows, right="cdef"))

    output.emit({"test_sets": data}, show)


@gates.command()
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", "file", type=click.Path(path_type=Path), help="File to write.")
@click.option("--check", is_flag=True, help="Hold the data against the schema that is there.")
@common
def schema(project: Path, data: Path | None, file: Path | None, *, check: bool) -> int:
    """Infer a schema of the data, to be read and corrected; or hold the data against one.

    DATA is the training data of penstock.yaml, or else the test data, where it is not named. What
    was inferred from broken data accepts broken data: read it before you trust it, then name it
    in penstock.yaml under `gates: data: schema:`.

    \b
    Examples:
      penstock gates schema
      penstock gates schema -o data/schema.yaml
      penstock gates schema --check

    With --check it ends with 0 when the data fits, 1 when it does not.
    """
    from penstock.config import load_settings
    from penstock.errors import StateError, UsageError
    from penstock.gates.data_gates import read_rows
    from penstock.gates.pandera_schema import infer_schema

    settings = load_settings(project)
    if check:
        return _check(project, settings)
    model = settings.model
    named = data or Path(model.train_data or model.test_data)
    text = infer_schema(read_rows(project / named, model.target), file=str(named))
    if file is None:
        output.emit({"schema": text}, lambda: click.echo(text, nl=False))
        return ExitCode.DONE
    place = project / file
    if place.exists():
        raise StateError(
            f"{file} is there already",
            code="gates.schema-exists",
            hint="compare with `penstock gates schema`, or write to another file",
        )
    if not place.parent.is_dir():
        raise UsageError(f"there is no directory {file.parent}", code="usage.no-directory")
    place.write_text(text, encoding="utf-8")
    said = f"{file} is inferred from {named}: read it, correct it, then name it in penstock.yaml"
    output.emit({"schema": text, "file": str(file)}, lambda: click.echo(f"{said}:"))
    if not output.wants_json():
        click.echo(f"  gates: {{data: {{schema: {file}}}}}")
    return ExitCode.DONE


def _check(project: Path, settings: Any) -> int:
    from dataclasses import replace

    from penstock.cli.verdicts import tell
    from penstock.errors import StateError
    from penstock.gates import data_verdicts

    rules = settings.gates.data
    if rules.schema is None:
        raise StateError(
            "penstock.yaml names no schema",
            code="gates.no-schema",
            hint="`penstock gates schema -o data/schema.yaml` infers one; name it under "
            "`gates: data: schema:`",
        )
    only = replace(rules, overlap="off", leakage="off", balance="off", drift="off")
    found = data_verdicts(only, settings.model, project)
    output.emit({"verdicts": [one.to_dict() for one in found]}, lambda: tell(found))
    return ExitCode.NO if any(one.stops for one in found) else ExitCode.DONE
