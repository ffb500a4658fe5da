"""All conditions of a project, read at once; light, as every run does it first."""

from __future__ import annotations

from penstock.config.settings import GateSettings
from penstock.errors import ConfigError, Problem
from penstock.gates.language import parse


def check_conditions(settings: GateSettings) -> None:
    """Read all conditions, before hours of training are spent on one that cannot be read.

    Raises:
        ConfigError: with the problems of all of them.
    """
    problems: list[Problem] = []
    for one in settings.conditions:
        try:
            parse(one.text, span=one.span)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError.of(problems)
