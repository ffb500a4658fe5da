"""The training gate: whether training works at all, found out on a small sample in seconds.

Five questions, each a verdict: does it train, does the loss fall, can it learn a few rows by
heart, does a saved model answer the same, does the same seed give the same model. They catch what
metrics on a full run hide: a target that is not used, shuffled labels, a dead optimiser, a model
that is saved without its preprocessing, an unseeded generator.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.errors import ConfigError
from penstock.gates.data_gates import read_rows
from penstock.gates.process import log_tail, watch, without_secrets

_KIND = "training-test"


def training_test(
    function: str,
    data: Path,
    target: str,
    *,
    root: Path,
    python: str = sys.executable,
    rows: int = 500,
    seed: int = 0,
    timeout: float = 300.0,
    memory: int = 4 * 2**30,
) -> tuple[Verdict, ...]:
    """Put a train function to the test on a small sample.

    Args:
        function: ``package.module:train`` or ``src/train.py:train``. It is called with a data
            frame, and by name with `target` and `seed` (or `random_state`) where it has such
            parameters; it returns a model with `predict`.
        data: training rows, parquet or csv.
        target: the column that is predicted.
        root: the project.
        python: the interpreter of the project.
        rows: size of the sample: evenly spaced, with every label in it.
        seed: for the sample's training.
        timeout: seconds for everything together.
        memory: bytes for everything together.

    Returns:
        ``training works`` and, when it does, four more verdicts.

    Raises:
        ConfigError: the data cannot be read, or `function` is not written ``place:name``.
    """
    if not function.partition(":")[2]:
        raise ConfigError(
            f"{function!r} does not name a train function",
            code="training.bad-function",
            hint="write it as package.module:function or src/train.py:function",
        )
    sample = small_sample(read_rows(data, target), target, rows)
    with tempfile.TemporaryDirectory(prefix="penstock-training-") as name:
        folder = Path(name)
        sample.to_parquet(folder / "sample.parquet")
        request = {
            "function": function,
            "data": str(folder / "sample.parquet"),
            "target": target,
            "seed": seed,
            "folder": name,
            "out": str(folder / "out.json"),
            "root": str(root.absolute()),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        run = partial(_run, folder, root, python=python, timeout=timeout, memory=memory)
        trouble = run(_BOOTSTRAP + "sys.exit(main(sys.argv[2:]))", [str(folder / "request.json")])
        out = folder / "out.json"
        found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        if "trained" not in found:
            words = found.get("error") or trouble or "it ended without an answer"
            return (_works(Outcome.FAILED, f"training failed: {words}", len(sample)),)
        works = _works(Outcome.PASSED, f"trained on {len(sample):,} rows", len(sample))
        again = _again(run, folder, request, found)
    verdicts = [works, loss_falls(found), again]
    verdicts += [same_seed(found["same_seed"])] if "same_seed" in found else []
    verdicts += [by_heart(found)] if "small_loss" in found else []
    if "error" in found and "saved" in found:
        words = f"a later training failed: {found['error']}"
        verdicts[0] = _works(Outcome.FAILED, words, len(sample))
    return tuple(verdicts)


# As for predictions, the project's interpreter need not have penstock.
_BOOTSTRAP = """
import sys, types
for name, path in (("penstock", sys.argv[1]), ("penstock.gates", sys.argv[1] + "/gates")):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
from penstock.gates.training_function import main, reload
"""


def _run(
    folder: Path,
    root: Path,
    code: str,
    arguments: list[str],
    *,
    python: str,
    timeout: float,
    memory: int,
) -> str | None:
    log = folder / "log"
    package = str(Path(__file__).parent.parent)
    trouble = watch(
        [python, "-c", code, package, *arguments],
        log,
        cwd=root,
        environment=without_secrets(),
        timeout=timeout,
        memory=memory,
    )
    tail = log_tail(log)
    return f"it {trouble}: {tail[-1]}" if trouble and tail else trouble


def _again(run: Any, folder: Path, request: dict[str, Any], found: dict[str, Any]) -> Verdict:
    """Load the saved model in a fresh process, and compare what it answers."""
    name = "a saved model answers the same"
    if "saved" not in found:
        words = f"the model cannot be saved: {found.get('error', 'unknown')}"
        return Verdict(name, Outcome.FAILED, words, kind=_KIND)
    out = folder / "again.json"
    arguments = [found["saved"], request["data"], request["target"], str(out), request["root"]]
    trouble = run(_BOOTSTRAP + "reload(*sys.argv[2:])", arguments)
    if not out.exists():
        words = f"a saved model cannot be loaded again: {trouble}"
        return Verdict(name, Outcome.FAILED, words, kind=_KIND)
    after = json.loads(out.read_text(encoding="utf-8"))
    before = found["predictions"]
    differ = sum(one != two for one, two in zip(before, after, strict=False))
    evidence = Evidence(
        "answers that differ after loading",
        float(differ),
        threshold=1.0,
        comparison="<",
        n=len(before),
        method="pickle in a fresh process",
    )
    outcome = Outcome.FAILED if differ or len(before) != len(after) else Outcome.PASSED
    words = f"{differ:,} of {len(before):,} answers differ after saving and loading"
    return Verdict(name, outcome, words, kind=_KIND, evidence=(evidence,))


def _works(outcome: Outcome, words: str, n: int) -> Verdict:
    evidence = Evidence("rows in the sample", float(n), n=n, method="small sample")
    return Verdict("training works", outcome, words, kind=_KIND, evidence=(evidence,))


def loss_falls(found: dict[str, Any]) -> Verdict:
    """Judge `loss` against `baseline`, and the first against the last of `curve`, if any."""
    loss, baseline, curve = found["loss"], found["baseline"], found.get("curve")
    evidence = Evidence(
        "loss on the training sample",
        loss,
        threshold=baseline,
        comparison="<",
        method="against the best constant answer",
        details={"curve": curve},
    )
    words = f"the loss is {loss:.4g}; the best constant answer has {baseline:.4g}"
    good = loss < baseline or baseline == 0
    if curve:
        good = good and curve[-1] < curve[0]
        words += f"; over {len(curve)} rounds it went from {curve[0]:.4g} to {curve[-1]:.4g}"
    hint = "is the target used, and are rows and labels in the same order?"
    return Verdict(
        "the loss falls",
        Outcome.PASSED if good else Outcome.FAILED,
        words,
        kind=_KIND,
        evidence=(evidence,),
        hint=None if good else hint,
    )


def same_seed(share: float) -> Verdict:
    """Judge the share of answers that differ between two trainings."""
    evidence = Evidence(
        "answers that differ with the same seed",
        share,
        threshold=0.0,
        comparison="<",
        unit="ratio",
        method="trained twice",
    )
    words = f"{share:.1%} of the answers differ between two trainings with the same seed"
    hint = "give the train function a parameter `seed` and pass it on to everything that draws"
    return Verdict(
        "the same seed gives the same model",
        Outcome.PASSED if share == 0 else Outcome.FAILED,
        words,
        kind=_KIND,
        evidence=(evidence,),
        hint=None if share == 0 else hint,
    )


def by_heart(found: dict[str, Any]) -> Verdict:
    """Judge `small_loss` against `small_baseline`, after training on `small_rows` rows."""
    loss, baseline, rows = found["small_loss"], found["small_baseline"], found["small_rows"]
    evidence = Evidence(
        f"loss on {rows} rows",
        loss,
        threshold=baseline / 2,
        comparison="<",
        n=rows,
        method="overfitting",
    )
    words = f"after training on {rows} rows the loss on them is {loss:.4g}"
    words += f"; the best constant answer has {baseline:.4g}, half of it was wanted"
    good = loss <= baseline / 2
    hint = "strong regularisation can explain it; otherwise features do not reach the model"
    return Verdict(
        "it can learn a few rows by heart",
        Outcome.PASSED if good else Outcome.FAILED,
        words,
        kind=_KIND,
        evidence=(evidence,),
        hint=None if good else hint,
    )


def small_sample(frame: pd.DataFrame, target: str, rows: int) -> pd.DataFrame:
    """Return evenly spaced rows, and one of each label that would be left out (up to 50)."""
    labelled = frame[frame[target].notna()]
    sample = labelled.iloc[:: max(1, len(labelled) // max(1, rows))].head(rows)
    if labelled[target].nunique() <= 50:
        rest = labelled[~labelled[target].isin(sample[target].unique())]
        sample = pd.concat([sample, rest.drop_duplicates(subset=[target])])
    return sample.reset_index(drop=True)
