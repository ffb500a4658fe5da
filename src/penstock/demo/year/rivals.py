"""What the other two policies would have answered: never retrain, and monthly without gates.

    python -m penstock.demo.year.rivals PROJECT SHARE TOGETHER DAYS TARGET

A process of its own, since it runs the project's code: its `clean` and `train`, with the
parameters at hand. Both begin with the same first model; monthly learns, on the first of each
month, from every flight whose label is known by then, and replaces the model unasked.
"""

from __future__ import annotations

import importlib
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from penstock.demo import data
from penstock.demo.year.days import FIRST, YEAR, Calendar, every
from penstock.demo.year.replay import DELAY


def answers(root: Path, share: float, together: int, days: int) -> pd.DataFrame:
    """Return what the policies answer and what is true, one row per flight whose label is known.

    Columns ``request_id``, ``row``, ``date``, ``late``, ``never``, ``monthly``.
    """
    sys.path.insert(0, str(root / "src"))
    clean, train = (importlib.import_module(one) for one in ("clean", "train"))
    params = yaml.safe_load((root / "params.yaml").read_text())
    calendar = Calendar(share)
    raw = pd.concat([calendar.frame(day) for day in every(date(YEAR, 1, 1), 365)])
    weather = pd.read_csv(root / "data/weather.csv")
    flights = clean.clean(raw.reset_index(drop=True), weather)

    def fitted(until: date) -> Any:
        rows = flights[flights["day"] < pd.Timestamp(until)]
        return train.build(params["train"]).fit(rows[train.FEATURES], rows[train.TARGET])

    first = fitted(FIRST - timedelta(days=params["prepare"]["test_days"]))
    monthly, parts = first, []
    for day in every(FIRST, days):
        if day.day == 1 and day > FIRST:
            monthly = fitted(day - timedelta(days=DELAY))
        parts.append(_day(calendar, day, together, {"never": first, "monthly": monthly}))
    return pd.concat(parts, ignore_index=True)


def _day(calendar: Calendar, day: date, together: int, models: dict[str, Any]) -> pd.DataFrame:
    flights = calendar.day(day)
    rows = pd.DataFrame(flights.rows, columns=data.FEATURES)
    numbers = [name for name in data.FEATURES if name not in {"carrier", "origin"}]
    rows[numbers] = rows[numbers].astype("float64")
    found = {name: model.predict_proba(rows)[:, 1] for name, model in models.items()}
    table = pd.DataFrame({"late": flights.late, **found})
    names = {place: (id, row) for id, row, place in flights.names(together)}
    table["request_id"] = [names[place][0] for place in range(len(table))]
    table["row"] = [names[place][1] for place in range(len(table))]
    table["date"] = str(day)
    return table[table["late"].notna()]


def main() -> int:
    """Write the answers as Parquet."""
    root, share, together, days, target = sys.argv[1:]
    made = answers(Path(root), float(share), int(together), int(days))
    made.to_parquet(target, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
