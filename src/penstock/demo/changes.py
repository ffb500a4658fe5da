"""What can go wrong, planted the way it happens: small commits that look like a good idea."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.demo.project import Project, edit


@dataclass(frozen=True, slots=True)
class Change:
    """A change to the project that somebody might make.

    Attributes:
        branch: where it is made.
        message: of its commit: why it looked like a good idea.
        truth: what is wrong with it.
        apply: edits the project's files.
    """

    branch: str
    message: str
    truth: str
    apply: Callable[[Project], None]


def _wrong_column(project: Project) -> None:
    edit(
        project.root / "src/clean.py",
        '    delay = minutes(flights["dep_time"]) - minutes(flights["sched_dep_time"])\n',
        '    left = flights["hour"] * 60 + flights["minute"]\n'
        '    delay = left - minutes(flights["sched_dep_time"])\n',
    )


def _no_imputer(project: Project) -> None:
    path = project.root / "src/train.py"
    edit(path, '    numbers = SimpleImputer(strategy="median")\n', "")
    edit(path, "from sklearn.impute import SimpleImputer\n", "")
    edit(path, '("numbers", numbers, NUMBERS)', '("numbers", "passthrough", NUMBERS)')


def _large_forest(project: Project) -> None:
    path = project.root / "src/train.py"
    text = path.read_text()
    start = text.index("        GradientBoostingClassifier(")
    end = text.index("        ),\n", start) + len("        ),\n")
    forest = (
        "        RandomForestClassifier(\n"
        "            n_estimators=2400,\n"
        "            max_depth=7,\n"
        "            max_samples=0.015,\n"
        "            max_features=None,\n"
        '            random_state=params["seed"],\n'
        "        ),\n"
    )
    path.write_text(text[:start] + forest + text[end:])
    edit(path, "import GradientBoostingClassifier\n", "import RandomForestClassifier\n")


WRONG_COLUMN = Change(
    "simpler-delay",
    "Compute the delay without clock arithmetic",
    "the columns `hour` and `minute` are of the planned departure, so the delay is always zero",
    _wrong_column,
)
NO_IMPUTER = Change(
    "no-imputer",
    "Drop the imputer: the training data has no gaps",
    "training data is tidied, requests are not: the model fails on a missing wind direction",
    _no_imputer,
)
LARGE_FOREST = Change(
    "forest",
    "Vote among 2,400 trees for smoother chances",
    "as good on paper, and some twenty times slower for each request",
    _large_forest,
)
