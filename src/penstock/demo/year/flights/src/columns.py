"""Columns of the flights project, in one place."""

CATEGORIES = ["carrier", "origin"]
WEATHER = ["temp", "humid", "wind_dir", "wind_speed", "precip", "visib"]
NUMBERS = ["dep_delay", "hour", "weekday", "distance", "planned", *WEATHER]
FEATURES = [*NUMBERS, *CATEGORIES]
"""Known when the doors close; this is what a request to the model holds."""

TARGET = "late"
"""1 when the flight arrives 15 or more minutes late."""
