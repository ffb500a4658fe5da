"""`penstock report`: what happened to a run, as a page, a comment or JUnit."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from penstock.cli import output
from penstock.cli.options import common

_SUFFIXES = {"html": "html", "markdown": "md", "junit": "xml"}


@click.command()
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False),
    help="File to write; - is standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_SUFFIXES)),
    help="Form of the report [by the file's suffix, else html].",
)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@click.option("--link", metavar="URL", help="Address of the whole report, for Markdown.")
@common
def report(
    project: Path,
    run: str | None,
    target: str | None,
    form: str | None,
    show: bool,
    link: str | None,
) -> None:
    """Write the report of a run.

    RUN is the id of a run or the number of a model version, by default the newest run. The page
    holds everything in one file: pipeline, gates with their intervals, quality, the canary's
    timeline, and where the model comes from. Markdown is for comments on pull requests.

    \b
    Examples:
      penstock report --open
      penstock report 2 -o version-2.html
      penstock report --format markdown -o - | gh pr comment -F -
      penstock report -o reports/unit/penstock.xml --format junit
    """
    from penstock import reports
    from penstock.journal import Journal

    chosen = form or _form(target)
    with Journal(project / ".penstock" / "journal.db") as journal:
        story = reports.gather(journal, project, run)
        if chosen == "markdown":
            text = reports.markdown(journal, project, story.run.id, link=link)
        elif chosen == "junit":
            text = reports.junit(
                [*story.verdicts, *(one for _, one in story.tests)], timestamp=story.run.started
            )
        else:
            text = reports.page(story)
    if target == "-":
        sys.stdout.write(text)
        return
    folder = project / ".penstock" / "reports"
    path = Path(target) if target else folder / f"{story.run.id}.{_SUFFIXES[chosen]}"
    _write(path, text)
    output.emit(
        {"path": str(path), "run": story.run.id, "format": chosen, "headline": story.headline},
        str(path),
    )
    if show:
        click.launch(path.resolve().as_uri())


def _form(target: str | None) -> str:
    suffix = Path(target or "").suffix.removeprefix(".")
    return next((form for form, known in _SUFFIXES.items() if known == suffix), "html")


def _write(path: Path, text: str) -> None:
    """Write a file as a whole, or not at all.

    Raises:
        UnavailableError: ``report.cannot-write``.
    """
    from penstock.errors import UnavailableError

    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        misplaced = (NotADirectoryError, IsADirectoryError, FileExistsError, FileNotFoundError)
        hint = "is the disk full, or the directory read-only?"
        if isinstance(error, misplaced):
            hint = "name another place: a part of this path is a file, or a link to nothing"
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}", code="report.cannot-write", hint=hint
        ) from error
