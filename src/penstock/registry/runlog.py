"""Pipeline runs in MLflow, with what the gates said of their candidates.

Every judged candidate has a run there, whether it became a version or not: its metrics and
parameters, the verdicts as tags, as a description and with all evidence in ``gates/verdicts.json``.
A run is found by its tag, so to keep it again writes the same run and makes no second one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.domain.run import Candidate, Run
from penstock.domain.verdict import Outcome, Verdict

RUN_TAG = "penstock.run_id"
DIGEST_TAG = "penstock.model_digest"
VERDICT_TAG = "gate.verdict"
MODEL_FOLDER = "model"
VERDICTS_FILE = "gates/verdicts.json"
"""What the gates said last."""
REGISTERED_FILE = "gates/registered.json"
"""What they said when the candidate became a version, whatever they were asked later."""
_NOTE_TAG = "mlflow.note.content"
_MOST_TAGS = 40
_LONGEST = 4000
_MARKS = {"passed": "✓", "failed": "✗", "inconclusive": "?", "error": "!"}


class RunLog:
    """The runs of one MLflow experiment.

    Args:
        client: MLflow's client.
        experiment_id: where the runs are.
    """

    def __init__(self, client: Any, experiment_id: str) -> None:
        self._client = client
        self._experiment = experiment_id

    def keep(
        self,
        candidate: Candidate,
        run: Run,
        verdicts: Sequence[Verdict],
        *,
        against: str = "",
        model: bool = False,
    ) -> tuple[str, str]:
        """Write a run down with the verdicts on its candidate.

        Args:
            candidate: that was judged.
            run: that made it.
            verdicts: of all gates.
            against: version of the champion that it was held against.
            model: keep the model's files too, for a candidate that becomes a version.

        Returns:
            MLflow's id of the run, and where its artifacts are.
        """
        from mlflow.entities import Metric, Param

        run_id, place = self._find(run, candidate)
        now = int((run.finished or run.started) * 1000)
        every = {
            RUN_TAG: candidate.run_id,
            DIGEST_TAG: candidate.digest,
            "mlflow.source.git.commit": run.revision.commit,
            "dvc.lock_sha256": run.lock_sha256,
            "penstock.model": candidate.model,
            "penstock.champion": against,
            **verdict_tags(verdicts),
        }
        self._client.log_batch(
            run_id,
            metrics=[Metric(key_of(k), v, now, 0) for k, v in candidate.metrics.items()],
            params=[Param(key_of(k), str(v)[:500]) for k, v in candidate.params.items()][:100],
        )
        self._tag(run_id, every)
        if model:
            self._keep_model(run_id, Path(candidate.path))
        self._keep_verdicts(run_id, verdicts, [VERDICTS_FILE, *([REGISTERED_FILE] * model)])
        self._client.set_terminated(run_id, end_time=now)
        return run_id, place

    def _find(self, run: Run, candidate: Candidate) -> tuple[str, str]:
        """Return the run that is there already, else make one."""
        wanted = f"tags.`{RUN_TAG}` = '{candidate.run_id}'"
        found = self._client.search_runs([self._experiment], wanted, max_results=1)
        made = (
            found[0]
            if found
            else self._client.create_run(
                self._experiment,
                run_name=candidate.run_id,
                start_time=int(run.started * 1000),
                tags={RUN_TAG: candidate.run_id},
            )
        )
        return str(made.info.run_id), str(made.info.artifact_uri)

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        """Set tags; verdicts of an earlier judgement of the same run are taken away."""
        from mlflow.entities import RunTag

        present = self._client.get_run(run_id).data.tags
        for name in present:
            if name.startswith(f"{VERDICT_TAG}/") and name not in tags:
                self._client.delete_tag(run_id, name)
        new = [RunTag(name, text) for name, text in tags.items() if text]
        self._client.log_batch(run_id, tags=new)

    def _keep_verdicts(
        self, run_id: str, verdicts: Sequence[Verdict], files: Sequence[str]
    ) -> None:
        text = json.dumps([one.to_dict() for one in verdicts], indent=2)
        with tempfile.TemporaryDirectory() as scratch:
            for file in files:
                evidence = Path(scratch) / Path(file).name
                evidence.write_text(text)
                self._client.log_artifact(run_id, str(evidence), str(Path(file).parent))

    def _keep_model(self, run_id: str, place: Path) -> None:
        if place.is_dir():
            self._client.log_artifacts(run_id, str(place), MODEL_FOLDER)
        else:
            self._client.log_artifact(run_id, str(place), MODEL_FOLDER)


def verdict_tags(verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Return what the gates said as tags: the answer, what stopped it, one tag per verdict.

    What stopped the candidate comes first, as there is room for a few dozen tags only.

    >>> tags = verdict_tags([Verdict("size < 1MB", Outcome.FAILED, "size is 2 MB, not below")])
    >>> tags["gate.verdict"], tags["gate.stopped_by"], tags["gate.verdict/size _ 1MB"]
    ('refused', 'size < 1MB', 'failed: size is 2 MB, not below')
    """
    stopped = [one for one in verdicts if one.stops]
    first = sorted(verdicts, key=lambda one: (not one.stops, one.outcome is Outcome.PASSED))
    each = {
        f"{VERDICT_TAG}/{key_of(one.name)}"[:250]: f"{one.outcome.value}: {one.words}"[:_LONGEST]
        for one in first[:_MOST_TAGS]
    }
    return {
        VERDICT_TAG: "refused" if stopped else "passed",
        "gate.stopped_by": "; ".join(one.name for one in stopped)[:_LONGEST],
        _NOTE_TAG: _note(first),
        **each,
    }


def key_of(name: str) -> str:
    """Make a name that MLflow takes: letters, digits and ``_-./ :`` only.

    >>> key_of("candidate.auc > 0.8")
    'candidate.auc _ 0.8'
    """
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "_-./ :") else "_" for one in name
    )
    return plain.strip("/ .")[:230] or "_"


def _note(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as Markdown: what MLflow's page of a run shows as its description."""
    lines: list[str] = []
    for one in verdicts:
        mark = _MARKS[one.outcome.value]
        line = f"- {mark} **{one.name}**: {one.words}"
        if sum(len(each) + 1 for each in lines) + len(line) > _LONGEST:
            lines.append(f"- and {len(verdicts) - len(lines)} more: see {VERDICTS_FILE}")
            break
        lines.append(line)
    return "\n".join(lines)
