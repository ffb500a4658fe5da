"""Verdicts as JUnit XML, as CI systems read it: one case for each gate.

Names keep free of numbers that change, since CI systems follow a case by its name; the numbers
stand in `system-out` and in properties. An inconclusive verdict is a skipped case that says what is
missing, and fails the suite only where it blocks.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from penstock.domain.verdict import Evidence, Outcome, Verdict

_CONTROL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS = {"condition": "performance"}


def junit(
    verdicts: Sequence[Verdict], *, suite: str = "penstock.gates", timestamp: float | None = None
) -> str:
    """Return verdicts as a JUnit document.

    Args:
        verdicts: one case each.
        suite: name of the suite; also the prefix of the class names, without ``penstock.``.
        timestamp: seconds since the epoch at which the gates were asked; now by default.
    """
    when = time.time() if timestamp is None else timestamp
    taken = sum(one.seconds or 0.0 for one in verdicts)
    counts = {
        "tests": str(len(verdicts)),
        "failures": str(sum(_failed(one) for one in verdicts)),
        "errors": str(sum(one.outcome is Outcome.ERROR for one in verdicts)),
    }
    root = ET.Element("testsuites", {**counts, "time": f"{taken:.3f}"})
    skipped = sum(one.outcome is Outcome.INCONCLUSIVE for one in verdicts)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when))
    group = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _clean(suite),
            **counts,
            "skipped": str(skipped),
            "time": f"{taken:.3f}",
            "timestamp": stamp,
            "hostname": _clean(socket.gethostname()),
        },
    )
    for one in verdicts:
        group.append(_case(one, suite.removeprefix("penstock.")))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _failed(one: Verdict) -> bool:
    return one.outcome is Outcome.FAILED


def _case(one: Verdict, prefix: str) -> ET.Element:
    kind = _KINDS.get(one.kind, one.kind or "gate")
    case = ET.Element(
        "testcase",
        {
            "classname": _clean(f"{prefix}.{kind}"),
            "name": _clean(one.name),
            "time": f"{one.seconds or 0.0:.3f}",
        },
    )
    numbers = [pair for e in one.evidence for pair in _numbers(e)]
    if numbers:
        properties = ET.SubElement(case, "properties")
        for name, value in numbers:
            ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    said = _clean(one.words)
    match one.outcome:
        case Outcome.FAILED:
            bad = ET.SubElement(case, "failure", {"message": said, "type": "gate.failed"})
            bad.text = _clean("\n".join(filter(None, (one.words, one.hint))))
        case Outcome.ERROR:
            ET.SubElement(case, "error", {"message": said, "type": "gate.error"}).text = said
        case Outcome.INCONCLUSIVE:
            more = f" ({one.needs:,} more would decide)" if one.needs else ""
            ET.SubElement(case, "skipped", {"message": f"inconclusive: {said}{more}"})
        case Outcome.PASSED:
            pass
    ET.SubElement(case, "system-out").text = said
    return case


def _numbers(e: Evidence) -> list[tuple[str, str]]:
    found = [("value", e.value), ("low", e.low), ("high", e.high), ("threshold", e.threshold)]
    pairs = [(f"{e.name}.{name}", f"{value:.10g}") for name, value in found if value is not None]
    return pairs + ([(f"{e.name}.n", str(e.n))] if e.n is not None else [])


def _clean(value: str) -> str:
    """Return text without the characters that XML does not allow."""
    return _CONTROL.sub("", value)
