"""What the data looks like, for people: how often late, by carrier and by hour."""

import json
from pathlib import Path

import pandas as pd
from columns import NUMBERS, TARGET


def main() -> None:
    flights = pd.read_parquet("data/train.parquet")
    profile = {
        "flights": len(flights),
        "late": round(float(flights[TARGET].mean()), 4),
        "late_by_carrier": flights.groupby("carrier")[TARGET].mean().round(4).to_dict(),
        "late_by_hour": flights.groupby("hour")[TARGET].mean().round(4).to_dict(),
        "numbers": flights[NUMBERS].describe().round(3).to_dict(),
    }
    target = Path("reports/profile.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(profile, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
