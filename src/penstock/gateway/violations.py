"""What workers noted of requests: values that are not as the training data was."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import quote

from penstock.gateway.exchange import Exchange
from penstock.gateway.split import SHADOW

MAX_FIELDS = 500
"""Most pairs of field and kind that are counted apart; the rest is counted as ``other``."""
HEADER = b"x-penstock-violations"
_NAMED = 10


class Violations:
    """Counts of one model version.

    Attributes:
        requests: with at least one violation.
        counts: values by field and kind.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.counts: Counter[tuple[str, str]] = Counter()

    def note(self, exchange: Exchange, found: list[Any]) -> None:
        """Count the violations of a request, and name their fields in a header of its answer.

        Args:
            exchange: that is not answered yet.
            found: ``[field, kind, count]`` of each.
        """
        if exchange.role == SHADOW or HEADER in exchange.extra:
            return  # a copy, or a request that another worker has died on: it is counted once
        self.requests += 1
        for field, kind, count in found:
            key = (str(field), str(kind))
            if key not in self.counts and len(self.counts) >= MAX_FIELDS:
                key = ("other", str(kind))
            self.counts[key] += int(count)
        named = ", ".join(f"{quote(str(field))} {kind}" for field, kind, _ in found[:_NAMED])
        exchange.extra += b"%b: %b\r\n" % (HEADER, named.encode("ascii"))
