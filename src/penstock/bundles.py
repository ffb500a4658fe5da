"""A model version as this project serves it: its form, its limits, and how it is batched.

Packaging knows how to pack a version; here the settings of the project, the training data behind
the version and the form that a gate has proven come together.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.config import Settings
from penstock.config.settings_serve import CheckSettings
from penstock.domain.verdict import Outcome, Verdict
from penstock.domain.version import Bundle, ModelVersion
from penstock.errors import StateError
from penstock.inference.manner import Limit, Manner
from penstock.journal import Journal

_USUAL = Manner()


def bundle(version: ModelVersion, root: Path, settings: Settings, journal: Journal) -> Bundle:
    """Pack a model version as the project wants it served.

    Raises:
        StateError: ``packaging.missing-model``; ``packaging.onnx-differs`` when the ONNX form is
            wanted and cannot be had; ``monitor.no-reference`` when requests are to be checked and
            the training data is gone.
        UnavailableError: the model cannot be fetched or its environment cannot be made.
    """
    from penstock import packaging

    packed = packaging.pack(version, root, settings.registry.tracking_uri)
    if settings.model.serve_as == "onnx":
        packed = _in_onnx(packed, version, root, settings)
    manner = manner_of(version, root, settings, journal)
    if manner == _USUAL:
        return packed
    return replace(packed, manner=str(_kept(manner, root)))


def onnx_form(model: Path, digest: str, root: Path, base: Path, settings: Settings) -> Any:
    """Return the `packaging.Conversion` of a model, tried on the project's test data.

    Args:
        model: directory of the MLflow model.
        digest: of its content.
        root: the project.
        base: where its test data is.
        settings: of the project.
    """
    from penstock import gates, packaging
    from penstock.gates.process import without_secrets

    scan = settings.gates
    if scan.scan == "block" and gates.scan(model, allow=scan.scan_allow).stops:
        # To convert a model is to load it, and that is to run whatever code it holds.
        words = "not tried, because the model scan found code that it does not let pass"
        refused = Verdict(packaging.FORM_GATE, Outcome.FAILED, words, kind="packaging")
        return packaging.Conversion(None, refused)
    return packaging.as_onnx(
        model,
        digest,
        root,
        data=base / settings.model.test_data,
        target=settings.model.target,
        tolerance=settings.model.onnx_tolerance,
        timeout=settings.gates.timeout,
        environment=without_secrets(),
    )


def _in_onnx(packed: Bundle, version: ModelVersion, root: Path, settings: Settings) -> Bundle:
    from penstock import packaging

    made = onnx_form(Path(packed.path), version.digest, root, root, settings)
    if made.path is None:
        raise StateError(
            f"version {version.version} cannot be served in ONNX: {made.verdict.words}",
            code="packaging.onnx-differs",
            hint=made.verdict.hint,
        )
    environment = packaging.resolve(made.path)
    return replace(
        packed, path=str(made.path), python=environment.python, environment=environment.digest
    )


def manner_of(version: ModelVersion, root: Path, settings: Settings, journal: Journal) -> Manner:
    """Return how a version answers: the limits of its training data, if requests are checked."""
    serve = settings.serve
    if serve.checks.mode == "off":
        return Manner(batch=serve.batch)
    from penstock.monitors.origin import reference_of

    reference = reference_of(root, settings, journal, str(version.version))
    limits = tuple(
        limit
        for feature in reference.features.values()
        if (limit := _limit(feature, serve.checks)) is not None
    )
    return Manner(serve.checks.mode, limits, serve.batch)


def gateway_options(state: Path, settings: Settings, port: int | None) -> Any:
    """Return the `GatewayOptions` of the project's gateway.

    Args:
        state: directory of the project's state.
        settings: of the project.
        port: to listen on, instead of the settings'.
    """
    from penstock.gateway import GatewayOptions

    serve = settings.serve
    breaker = serve.checks.breaker
    return GatewayOptions(
        host=serve.host,
        port=serve.port if port is None else port,
        grpc_port=serve.grpc_port,
        timeout=serve.timeout,
        memory_mb=serve.memory_mb,
        log_dir=str(state / "observations"),
        log_sample=serve.log_sample,
        log_exclude=serve.log_exclude,
        log_keep=settings.monitor.retention,
        breaker_share=breaker.share if serve.checks.mode != "off" else 0.0,
        breaker_window=breaker.window,
        breaker_least=breaker.min_requests,
        breaker_pause=breaker.pause,
    )


def _limit(feature: Any, checks: CheckSettings) -> Limit | None:
    """Return the limits of one feature of the reference, with what a person says of it."""
    name = feature.name
    if name in checks.ignore:
        return None
    nulls = bool(feature.counts[-1] > 0)
    if feature.cells.kind == "number":
        room = checks.margin * (feature.high - feature.low)
        made = Limit(name, feature.low - room, feature.high + room, nulls=nulls)
    elif feature.cells.complete:
        made = Limit(name, values=tuple(sorted(feature.cells.values)), nulls=nulls)
    else:
        made = Limit(name, nulls=nulls)
    said = checks.fields.get(name)
    if said is None:
        return made
    return replace(
        made,
        low=made.low if said.min is None else said.min,
        high=made.high if said.max is None else said.max,
        values=said.values or made.values,
        nulls=made.nulls if said.nulls is None else said.nulls,
    )


def _kept(manner: Manner, root: Path) -> Path:
    """Write a manner down under the digest of its content."""
    data = json.dumps(manner.to_dict(), sort_keys=True).encode()
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.json"
    place = root.absolute() / ".penstock" / "manners" / name
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_suffix(f".{os.getpid()}")
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place)
    return place
