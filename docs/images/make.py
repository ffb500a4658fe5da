#!/usr/bin/env python
"""Make the pictures of this folder from the repository that a demo left behind.

    penstock demo /tmp/flights && python docs/images/make.py /tmp/flights

Needs Chromium (`apt-get install chromium`).
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from penstock.journal import Journal
from penstock.reports import html

HERE = Path(__file__).parent
WIDTH = 1080


def shoot(page: str, name: str, height: int, *, dark: bool = False) -> None:
    """Show a page in Chromium and keep the first `height` pixels of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(page, encoding="utf-8")
        theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
        subprocess.run(
            [
                "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--window-size={WIDTH},{height}",
                f"--screenshot={HERE / name}",
                *theme,
                file.as_uri(),
            ],
            check=True,
            capture_output=True,
        )


def only(page: str, *titles: str) -> str:
    """Return a page with its head and some of its sections."""
    sections = re.findall(r"<section>.*?</section>", page, re.DOTALL)
    wanted = [one for one in sections if any(f"<h2>{title}</h2>" in one for title in titles)]
    start = page.index("<section>")
    return page[:start] + "\n".join(wanted) + "</main></body></html>"


def run_of(journal: Journal, outcome: str) -> str:
    """Return the last run whose candidate had this outcome."""
    found = [one for one in journal.records("judgement") if one.value["outcome"] == outcome]
    return max(one.id for one in found)


def main(root: Path) -> None:
    """Make all pictures."""
    with Journal(root / ".penstock" / "journal.db") as journal:
        promoted, caught = html(journal, root, "2"), html(journal, root, "3")
        refused = html(journal, root, run_of(journal, "refused"))
    shoot(only(promoted, "Live traffic", "Quality on held-out data"), "report.png", 1330)
    shoot(
        only(promoted, "How it was made", "Where it comes from"), "report-dark.png", 1200, dark=True
    )
    shoot(only(caught, "Live traffic"), "rollback.png", 860)
    shoot(only(refused, "Gates"), "refused.png", 1100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
