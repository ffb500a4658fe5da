"""All conditions of a project, read at once; light, as every run does it first."""

from __future__ import annotations

import hashlib

from penstock.config.settings import GateSettings
from penstock.errors import ConfigError, Problem
from penstock.journal import Journal

_KIND = "conditions"
_LANGUAGE = 2
"""Raised when the language comes to refuse what it took before."""


def check_conditions(settings: GateSettings, journal: Journal) -> None:
    """Read all conditions, before hours of training are spent on one that cannot be read.

    Args:
        settings: with the conditions.
        journal: keeps which conditions were read before, so that a run with nothing to do need
            not load their language.

    Raises:
        ConfigError: with the problems of all of them.
    """
    texts = "\n".join(one.text for one in settings.conditions)
    known = hashlib.sha256(f"{_LANGUAGE}\n{texts}".encode()).hexdigest()
    if not settings.conditions or journal.get(_KIND, known) is not None:
        return
    from penstock.gates.language import parse

    problems: list[Problem] = []
    for one in settings.conditions:
        try:
            parse(one.text, span=one.span)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError.of(problems)
    with journal.transaction() as tx:
        tx.put(_KIND, known, {})
