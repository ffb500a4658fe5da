"""What `penstock init` can find by itself: model, test data, target and tests of a repository.

Each finder returns its candidates, best first, each with a score and the reason in words; a finding
counts as certain when it stands clearly above the next one. Nothing is asked or written here.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.domain.pipeline import Pipeline, Stage

_MODEL_KINDS = frozenset({".pkl", ".pickle", ".joblib", ".onnx", ".ubj", ".cbm", ".pt", ".skops"})
_TABLES = frozenset({".parquet", ".csv"})
_ASSIGNED = re.compile(
    r"\b(?:target|label|y)\w*[\"']?\s*[:=,]\s*(?:\w+\s*\[\s*)?[\"'](\w+)[\"']", re.IGNORECASE
)
_TAKEN = re.compile(
    r"\.(?:pop|drop)\(\s*(?:columns\s*=\s*)?\[?\s*[\"'](\w+)[\"']\s*\]?\s*(?:,\s*axis\s*=\s*1\s*)?\)"
)
_SAYS = {
    "classification": re.compile(r"Classifier|LogisticRegression|\bSVC\b|predict_proba|roc_auc"),
    "regression": re.compile(
        r"Regressor|LinearRegression|\b(?:Ridge|Lasso|ElasticNet|SVR)\b"
        r"|mean_(?:squared|absolute)_error|r2_score"
    ),
}
_USUAL = frozenset({"target", "label", "y", "class", "outcome"})
_SOURCES = frozenset({".py", ".r", ".jl", ".yaml", ".yml", ".json", ".toml", ".ipynb"})
_MAX_SOURCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Guess:
    """One candidate for a setting.

    Attributes:
        value: as it would stand in penstock.yaml.
        score: the higher the better; what is not above zero is not offered.
        reason: in words.
    """

    value: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """What was found in a repository.

    Attributes:
        name: for the registered model.
        model, test_data, target, train_data: candidates, best first.
        task: ``classification``, ``regression``, or None where the data could not be read.
        tests: stage -> when -> targets for pytest.
    """

    name: str
    model: tuple[Guess, ...] = ()
    test_data: tuple[Guess, ...] = ()
    target: tuple[Guess, ...] = ()
    train_data: tuple[Guess, ...] = ()
    task: str | None = None
    tests: dict[str, dict[str, list[str]]] = field(default_factory=dict)


def certain(guesses: Sequence[Guess]) -> str | None:
    """Return the best guess where it stands clearly above the next, else None."""
    if not guesses:
        return None
    if len(guesses) > 1 and guesses[0].score - guesses[1].score < 1:
        return None
    return guesses[0].value


def adopt(
    root: Path, pipeline: Pipeline, *, model: str | None = None, test_data: str | None = None
) -> Adoption:
    """Look around in a repository.

    Args:
        root: of the repository.
        pipeline: what its dvc.yaml says.
        model: path of the model, where it is known already.
        test_data: path of the test data, where it is known already.
    """
    models = _ranked(_models(root, pipeline))
    model = model or certain(models)
    tests = _ranked(_tables(pipeline, model, "test"))
    test_data = test_data or certain(tests)
    columns = columns_of(root / test_data) if test_data else ()
    targets = _ranked(_targets(root, pipeline, model, columns))
    target = certain(targets)
    return Adoption(
        name=_name(root, pipeline, model),
        model=models,
        test_data=tests,
        target=targets,
        train_data=_ranked(_tables(pipeline, model, "train")),
        task=task_of(root / test_data, target) if test_data and target else None,
        tests=_stage_tests(root, pipeline, model),
    )


def _ranked(guesses: Iterable[Guess]) -> tuple[Guess, ...]:
    return tuple(sorted((one for one in guesses if one.score > 0), key=lambda one: -one.score))


def _name(root: Path, pipeline: Pipeline, model: str | None) -> str:
    for name, item in pipeline.artifacts.items():
        if item.get("path") == model and model is not None:
            return name
    words = re.sub(r"[^a-zA-Z0-9]+", "-", root.name).strip("-").lower()
    return words if len(words) > 1 else "model"


def _models(root: Path, pipeline: Pipeline) -> Iterable[Guess]:
    declared = {
        str(item.get("path")) for item in pipeline.artifacts.values() if item.get("type") == "model"
    }
    for stage in pipeline.stages.values():
        for out in stage.outs:
            if out.kind != "out":
                continue
            path = PurePosixPath(out.full)
            score, reasons = 0.0, [f"an out of stage `{stage.address}`"]
            if out.full in declared:
                score, reasons = score + 10, [*reasons, "dvc.yaml calls it a model"]
            if (root / out.full / "MLmodel").is_file():
                score, reasons = score + 8, [*reasons, "an MLflow model"]
            if path.suffix in _MODEL_KINDS:
                score, reasons = score + 3, [*reasons, f"a {path.suffix} file"]
            if "model" in path.name.lower():
                score += 3
            elif "model" in out.full.lower():
                score += 2
            if score and re.search(r"train|fit|model", stage.name, re.IGNORECASE):
                score += 1
            yield Guess(out.full, score, ", ".join(reasons))


def _tables(pipeline: Pipeline, model: str | None, purpose: str) -> Iterable[Guess]:
    """Yield tables whose name or use says that they are for testing (or for training)."""
    words = {"test": 4.0, "holdout": 4.0, "held": 3.0, "eval": 3.0, "valid": 1.0}
    if purpose == "train":
        words = {"train": 4.0}
    readers: dict[str, list[Stage]] = {}
    paths: dict[str, None] = {}
    for stage in pipeline.stages.values():
        paths.update(dict.fromkeys(one.full for one in stage.outs))
        for dep in stage.deps:
            paths[dep.full] = None
            readers.setdefault(dep.full, []).append(stage)
    for path in paths:
        if PurePosixPath(path).suffix.lower() not in _TABLES:
            continue
        name = PurePosixPath(path).stem.lower()
        score = max((points for word, points in words.items() if word in name), default=0.0)
        if not score and not any(word in path.lower() for word in words):
            continue
        used = readers.get(path, [])
        beside = [one for one in used if model and any(dep.full == model for dep in one.deps)]
        maker = [one for one in used if model and any(out.full == model for out in one.outs)]
        right = beside if purpose == "test" else maker
        reason = f"stage `{right[0].address}` reads it" if right else "its name"
        yield Guess(path, score + (3 if right else 0.5), reason)


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the columns of a Parquet or CSV file; () where it cannot be read."""
    try:
        if path.suffix.lower() == ".parquet":
            from pyarrow import ArrowException, parquet

            try:
                return tuple(parquet.read_schema(path).names)
            except ArrowException:
                return ()
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return tuple(next(csv.reader(lines), ()))
    except (OSError, ValueError, csv.Error):
        return ()


def task_of(path: Path, target: str) -> str | None:
    """Return what a model of a target does, by its first 10,000 values; None where unreadable."""
    values = _values(path, target)
    if not values:
        return None
    kinds = {type(value) for value in values}
    distinct = len(set(values))
    if kinds <= {str, bool} or (kinds <= {int, bool} and distinct <= 20):
        return "classification"
    return "classification" if distinct == 2 else "regression"


def likely_task(root: Path, pipeline: Pipeline, test_data: str, target: str) -> str | None:
    """Return what the model does: by the test data, by other data of the pipeline, by the code.

    Before the first run there is often no test data yet, but there is what it is made from.
    """
    tables = {path: None for one in pipeline.stages.values() for path in sorted(_touched(one))}
    for name in (test_data, *tables):
        if PurePosixPath(name).suffix.lower() in _TABLES:
            found = task_of(root / name, target)
            if found is not None:
                return found
    deps = {dep.full for one in pipeline.stages.values() for dep in one.deps}
    code = "\n".join(_source(root / name) for name in sorted(deps) if name.endswith(".py"))
    said = {task for task, words in _SAYS.items() if words.search(code)}
    return said.pop() if len(said) == 1 else None


def _values(path: Path, target: str, most: int = 10_000) -> list[Any]:
    if target not in columns_of(path):
        return []
    if path.suffix.lower() == ".parquet":
        from pyarrow import parquet

        batches = parquet.ParquetFile(path).iter_batches(batch_size=most, columns=[target])
        found = next(iter(batches), None)
        return [] if found is None else [x for x in found.column(0).to_pylist() if x is not None]
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        texts = [row[target] for row, _ in zip(rows, range(most), strict=False)]
    return [_number(text) for text in texts if text]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _targets(
    root: Path, pipeline: Pipeline, model: str | None, columns: Sequence[str]
) -> Iterable[Guess]:
    """Yield the columns that the code of the pipeline treats as the target."""
    near = [one for one in pipeline.stages.values() if model in _touched(one)]
    files = {dep.full for stage in near for dep in stage.deps} | {"params.yaml"}
    scores: dict[str, float] = {}
    places: dict[str, str] = {}
    for name in sorted(files):
        text = _source(root / name)
        for pattern, points in ((_ASSIGNED, 2.0), (_TAKEN, 2.0)):
            for column in {match[1] for match in pattern.finditer(text)}:
                if not columns or column in columns:
                    scores[column] = scores.get(column, 0.0) + points
                    places.setdefault(column, name)
    for column in columns:
        if column.lower() in _USUAL:
            scores[column] = scores.get(column, 0.0) + 1.5
        elif columns[-1] == column:
            scores[column] = scores.get(column, 0.0) + 0.5
    for column, score in scores.items():
        reason = f"as {places[column]} uses it" if column in places else "a column of the test data"
        # The last column alone is a guess to offer, not one to rely on.
        if score >= 1:
            yield Guess(column, score, reason)


def _touched(stage: Stage) -> set[str]:
    return {out.full for out in stage.outs} | {dep.full for dep in stage.deps}


def _source(path: Path) -> str:
    try:
        if path.suffix.lower() not in _SOURCES or path.stat().st_size > _MAX_SOURCE:
            return ""
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".ipynb":
            cells = json.loads(text).get("cells", [])
            return "\n".join("".join(cell.get("source", [])) for cell in cells)
    except (OSError, ValueError, AttributeError):
        return ""
    return text


def _stage_tests(
    root: Path, pipeline: Pipeline, model: str | None
) -> dict[str, dict[str, list[str]]]:
    """Return test files by the stage that they name: before what prepares, after what trains."""
    found: dict[str, dict[str, list[str]]] = {}
    makers = [s for s in pipeline.stages.values() if any(out.full == model for out in s.outs)]
    later = {one.address for one in makers}
    downstream = pipeline.downstream()
    queue = list(later)
    while queue:
        fresh = set(downstream.get(queue.pop(), ())) - later
        later |= fresh
        queue.extend(fresh)
    for directory in ("tests", "test"):
        for path in sorted((root / directory).rglob("test_*.py")):
            stage = _stage_of(path.stem.removeprefix("test_"), pipeline)
            if stage is not None:
                when = "after" if stage.address in later else "before"
                name = stage.group or stage.address
                found.setdefault(name, {}).setdefault(when, []).append(
                    path.relative_to(root).as_posix()
                )
    return found


def _stage_of(word: str, pipeline: Pipeline) -> Stage | None:
    plain = word.lower().replace("-", "_")
    for stage in pipeline.stages.values():
        name = (stage.group or stage.name).lower().replace("-", "_")
        if name and ":" not in stage.address and plain in (name, f"{name}_stage", f"stage_{name}"):
            return stage
    return None
