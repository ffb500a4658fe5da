"""Pipelines as JSON and back, for the cache of what was parsed."""

from __future__ import annotations

from typing import Any

from penstock.domain.pipeline import (
    Dependency,
    Output,
    ParamsFile,
    Pipeline,
    Resources,
    Stage,
)


def encode(pipeline: Pipeline) -> list[Any]:
    """Return plain lists, in the order of the nouns' fields."""
    return [
        [_stage(stage) for stage in pipeline.stages.values()],
        {address: list(sources) for address, sources in pipeline.upstream.items()},
        list(pipeline.metrics),
        list(pipeline.plots),
        list(pipeline.params),
        pipeline.artifacts,
        list(pipeline.files),
    ]


def decode(data: list[Any]) -> Pipeline:
    """Read what `encode` wrote."""
    rows, upstream, metrics, plots, params, artifacts, files = data
    return Pipeline(
        {row[0]: _unstage(row) for row in rows},
        {address: tuple(sources) for address, sources in upstream.items()},
        tuple(metrics),
        tuple(plots),
        tuple(params),
        artifacts,
        tuple(files),
    )


def _row(item: Any) -> list[Any]:
    return [getattr(item, name) for name in item.__slots__]


def _stage(stage: Stage) -> list[Any]:
    plain = Resources()
    return [
        *_row(stage)[:6],
        [_row(dep) for dep in stage.deps],
        [_row(one) for one in stage.params],
        [_row(out) for out in stage.outs],
        stage.frozen,
        stage.always_changed,
        stage.desc,
        stage.group,
        None if stage.resources == plain else _row(stage.resources),
    ]


def _unstage(row: list[Any]) -> Stage:
    resources = Resources()
    if row[13] is not None:
        cpus, memory, gpus, limits, timeout, retries, delay, env = row[13]
        resources = Resources(
            cpus, memory, gpus, tuple((name, most) for name, most in limits),
            timeout, retries, delay, tuple((name, text) for name, text in env),
        )  # fmt: skip
    address, name, file, wdir, cmd, place = row[:6]
    frozen, always_changed, desc, group = row[9:13]
    return Stage(
        address,
        name,
        file,
        wdir,
        cmd,
        tuple(place),
        tuple(
            [
                Dependency(path, full, tuple(place), tuple(dataset) if dataset else None)
                for path, full, place, dataset in row[6]
            ]
        ),
        tuple(
            [
                ParamsFile(path, full, tuple(place), tuple(keys))
                for path, full, place, keys in row[7]
            ]
        ),
        tuple([Output(path, full, tuple(place), *rest) for path, full, place, *rest in row[8]]),
        frozen,
        always_changed,
        desc,
        group,
        resources,
    )
