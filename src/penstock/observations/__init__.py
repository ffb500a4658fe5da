"""Observations: every request, its answer and later its label, kept by window of time.

`Observations` reads and keeps the files; `penstock.observations.writer` is the process that the
gateway hands its traffic to, so that no request waits for a disk.
"""

from penstock.observations.store import Observations

__all__ = ["Observations"]
