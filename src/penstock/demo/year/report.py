"""What a replay came to, as Markdown and as a page that opens anywhere."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from penstock.demo.year.outcome import holds, table
from penstock.demo.year.picture import picture


def markdown(found: dict[str, Any], image: str = "year.svg") -> str:
    """Return the outcome as Markdown, with the picture beside it."""
    head, *rows = table(found)
    lines = [_row(head), "|---|--:|--:|--:|--:|", *map(_row, rows), ""]
    if found["trials"]:
        lines += [f"Penstock's retrainings tried {found['trials']} sets of parameters.", ""]
    lines += [f"![Log loss and what was gained, week by week]({image})", ""]
    lines += [f"- {'yes' if fine else '**no**'}: {words}" for words, fine in holds(found).items()]
    lines += ["", "| retraining | because of | outcome | at the gate | in production |"]
    lines += ["|---|---|---|---|---|"]
    for one in found["retrainings"]:
        outcome = one["outcome"] + (f", version {one['version']}" if one["version"] else "")
        gains = [_gain(one[name]) for name in ("predicted", "realised")]
        lines.append(_row((one["date"], ", ".join(one["kinds"]), outcome, *gains)))
    lines += ["", "| planted | offered | stopped by | answers | largest share of a day |"]
    lines += ["|---|---|---|--:|--:|"]
    for one in found["planted"]:
        why = "; ".join(one["stopped"]) or ("**nothing**" if one["promoted"] else "not yet")
        share = f"{one['largest_share']:.1%}"
        lines.append(_row((one["name"], one["date"], why, f"{one['served']:,}", share)))
    traffic, alarms = found["traffic"], found["alarms"]
    lines += [
        "",
        (
            f"{traffic['requests']:,} requests with {traffic['rows']:,} flights, "
            f"{traffic['failed']} failed; {traffic['labels']:,} labels acknowledged, "
            f"{traffic['logged_labels']:,} in the log. {len(found['champions']) - 1} changes of "
            f"champion; drift was found {len(alarms['drift'])} times, decline "
            f"{len(alarms['decline'])} times. It took {found['seconds']['all']:.0f} seconds."
        ),
        "",
    ]
    return "\n".join(lines)


def write(found: dict[str, Any], folder: Path) -> Path:
    """Write ``year.json``, ``year.svg``, ``year.md`` and ``year.html``; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "year.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "year.svg").write_text(picture(found))
    (folder / "year.md").write_text(markdown(found))
    page = folder / "year.html"
    page.write_text(_page(found))
    return page


def _page(found: dict[str, Any]) -> str:
    head, *rows = table(found)
    cells = "".join(f"<tr>{_cells(row, 'td')}</tr>" for row in rows)
    facts = "".join(
        f"<li>{'✓' if fine else '✗'} {escape(words)}</li>" for words, fine in holds(found).items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>A year of flights</title>'
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
        "padding:0 1rem}table{border-collapse:collapse}td,th{padding:.3rem .8rem;text-align:left;"
        "border-bottom:1px solid #ddd}svg{max-width:100%}ul{list-style:none;padding:0}</style>"
        f"<h1>A year of flights</h1><table><tr>{_cells(head, 'th')}</tr>{cells}</table>"
        f"{picture(found)}<ul>{facts}</ul></html>\n"
    )


def _cells(row: Any, tag: str) -> str:
    return "".join(f"<{tag}>{escape(one)}</{tag}>" for one in row)


def _row(cells: Any) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _gain(gain: dict[str, Any] | None) -> str:
    return "" if not gain else f"{gain['metric']} {gain['gain']:+.4f}"
