"""Rollouts: all traffic to the challenger, step by step, or back to the champion.

`decide` says what happens next and is pure; `Analysis` says whether the challenger is worse;
`Controller` carries out; a `Target` serves. Read `decide` first.
"""

from penstock.rollouts.advance import advance
from penstock.rollouts.analysis import Analysis
from penstock.rollouts.controller import Controller
from penstock.rollouts.decide import decide
from penstock.rollouts.interface import Clock, Registrar, Target, Truth
from penstock.rollouts.state import Command, CommandKind, RolloutState
from penstock.rollouts.targets.local import LocalTarget

__all__ = [
    "Analysis",
    "Clock",
    "Command",
    "CommandKind",
    "Controller",
    "LocalTarget",
    "Registrar",
    "RolloutState",
    "Target",
    "Truth",
    "advance",
    "decide",
]
