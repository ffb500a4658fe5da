"""How many threads numeric libraries may take, as variables of a process.

Threads that wait for each other spin: on a machine that others use too, a thread per core is many
times slower than one.
"""

from __future__ import annotations

from collections.abc import Mapping

_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def held(environment: Mapping[str, str], count: int) -> dict[str, str]:
    """Return the variables that hold numeric libraries to so many threads.

    What the environment says already stands. LightGBM and others ask for a thread per core whatever
    OMP_NUM_THREADS says; OMP_THREAD_LIMIT is what they cannot pass over.

    >>> held({"OMP_NUM_THREADS": "4"}, 1)
    {'OPENBLAS_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
    """
    found = {name: str(count) for name in _LIBRARIES if name not in environment}
    if "OMP_NUM_THREADS" in found and "OMP_THREAD_LIMIT" not in environment:
        found["OMP_THREAD_LIMIT"] = str(count)
    return found
