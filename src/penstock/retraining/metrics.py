"""What retrainings and their searches came to, as Prometheus reads it: from the journal."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from penstock.domain.trigger import TriggerKind
from penstock.journal import Journal
from penstock.monitors.metrics import Family, Sample
from penstock.retraining.order import STEPS
from penstock.triggers.inbox import OPEN, REQUEST, RETRAINING

OUTCOMES = (
    "promoted", "registered", "unchanged", "refused", "rolled-back", "failed", "abandoned",
)  # fmt: skip
Records = Sequence[dict[str, Any]]


def families(journal: Journal) -> Iterable[Family]:
    """Return the metrics of all retrainings of a project.

    A counter is there from the beginning, with 0: else the first of its kind would be no increase.
    """
    found = [one.value for one in journal.records(RETRAINING)]
    records = sorted(found, key=lambda one: float(one["started"]))
    ended = [one for one in records if one["finished"] is not None]
    opened = sum(one.value["state"] == OPEN for one in journal.records(REQUEST))
    yield from _counts(ended)
    yield from _now(records, opened)
    yield from _last(ended)
    yield from _gains(records)
    yield from _searches(records)


def _counts(ended: Records) -> Iterator[Family]:
    counts = Counter((_trigger(one), str(one["outcome"])) for one in ended)
    pairs = itertools.product((one.value for one in TriggerKind), OUTCOMES)
    samples = [
        ({"trigger": trigger, "outcome": outcome}, float(counts[trigger, outcome]))
        for trigger, outcome in pairs
    ]
    words = "Retrainings that ended, by what asked first and by outcome."
    yield Family("penstock_retrainings_total", words, samples, "counter")


def _trigger(record: dict[str, Any]) -> str:
    return str(record["requests"][0]["kind"]) if record["requests"] else TriggerKind.PERSON.value


def _now(records: Records, opened: int) -> Iterator[Family]:
    running = next((one["phase"] for one in reversed(records) if one["finished"] is None), "")
    phases = [({"phase": phase}, float(phase == running)) for phase in STEPS]
    words = "Whether a retraining is under way, in the phase that it reached."
    yield Family("penstock_retraining_running", words, phases)
    words = "Requests for a retraining that wait."
    yield Family("penstock_retraining_requests_open", words, [({}, float(opened))])


def _last(ended: Records) -> Iterator[Family]:
    if not ended:
        return
    last = max(ended, key=lambda one: float(one["finished"]))
    words = "When the last retraining ended."
    name = "penstock_retraining_last_run_timestamp_seconds"
    yield Family(name, words, [({}, float(last["finished"]))])
    failed = float(last["outcome"] == "failed")
    words = "Whether the last retraining could not be done."
    yield Family("penstock_retraining_last_failed", words, [({}, failed)])
    vain = itertools.takewhile(lambda one: one["gained"] is False, reversed(ended))
    words = "Retrainings in a row, up to the last, that brought nothing."
    yield Family("penstock_retraining_vain_in_a_row", words, [({}, float(len(list(vain))))])


def _gains(records: Records) -> Iterator[Family]:
    for key, name, words in (
        ("predicted", "penstock_retraining_predicted_gain", "Gain at the gate"),
        ("realised", "penstock_retraining_realized_gain", "Gain on labelled traffic"),
    ):
        known = next((one for one in reversed(records) if one.get(key)), None)
        if known is not None:
            labels = {"version": str(known.get("version") or ""), "metric": known[key]["metric"]}
            sample: Sample = (labels, float(known[key]["gain"]))
            said = f"{words} of the last retraining of which it is known; positive is better."
            yield Family(name, said, [sample])


def _searches(records: Records) -> Iterator[Family]:
    found = [one["found"] for one in records if one.get("found")]
    trials = {state: sum(one[state] for one in found) for state in ("trials", "pruned", "failed")}
    complete = trials.pop("trials") - sum(trials.values())
    states = {"complete": complete, **trials}
    samples = [({"state": state}, float(count)) for state, count in states.items()]
    yield Family(
        "penstock_search_trials_total", "Trials of searches for parameters.", samples, "counter"
    )
    seconds: list[Sample] = [({}, float(sum(one["seconds"] for one in found)))]
    words = "Seconds that searches for parameters took."
    yield Family("penstock_search_seconds_total", words, seconds, "counter")
