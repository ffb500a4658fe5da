"""Serving: one model version in one process, spoken to in frames.

`python -m penstock.serving.worker` runs in the interpreter of the version's own environment,
where penstock is only lent by path: this package needs the standard library alone and uses numpy
and orjson where they are there.
"""
