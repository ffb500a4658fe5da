"""What is at which path, beside `/invocations`."""

from __future__ import annotations

import json
from typing import Any

from penstock.gateway import binary, metrics
from penstock.gateway.group import Group
from penstock.gateway.http import Request
from penstock.gateway.metadata import tensors
from penstock.gateway.openapi import document
from penstock.gateway.plane import Plane
from penstock.gateway.refusals import problem, refuse
from penstock.inference import frames
from penstock.inference.description import Description

EXTENSIONS = ["binary_tensor_data", "metrics", "feedback"]


class Routes:
    """Adds the routes of all protocols to a plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        get = {
            b"/ping": self._ping,
            b"/health": self._ping,
            b"/version": self._version,
            b"/metrics": self._metrics,
            b"/openapi.json": self._openapi,
            b"/v2": self._server,
            b"/v2/": self._server,
            b"/v2/health/live": self._live,
            b"/v2/health/ready": self._ready,
            b"/v1/models": self._v1_models,
        }
        for path, route in get.items():
            plane.routes[b"GET", path] = route
        plane.routes[b"POST", b"/feedback"] = plane.desk.handle
        plane.fallback = self._by_model

    def _champion(self) -> Group | None:
        split = self._plane.fleet.split
        return None if split.champion is None else self._plane.fleet.groups.get(split.champion)

    def _ping(self, request: Request) -> None:
        """MLflow's health check: 200 when a model can answer."""
        request.exchange().finish(404 if self._champion() is None else 200, b"\n")

    def _version(self, request: Request) -> None:
        """MLflow's version, as of the champion's environment."""
        group = self._champion()
        described = group.description if group is not None else None
        request.exchange().finish(200, described.mlflow.encode() if described else b"")

    def _metrics(self, request: Request) -> None:
        modern = b"application/openmetrics-text" in request.headers.get(b"accept", b"")
        body = metrics.page(self._plane, open_metrics=modern)
        request.exchange().finish(200, body, metrics.OPEN if modern else metrics.PLAIN)

    def _openapi(self, request: Request) -> None:
        group = self._champion()
        version = group.bundle.version if group is not None else ""
        described = (group.description if group is not None else None) or Description()
        _json(request, 200, document(self._plane.model(), version, described))

    def _server(self, request: Request) -> None:
        from penstock import __version__ as version

        _json(request, 200, {"name": "penstock", "version": version, "extensions": EXTENSIONS})

    def _live(self, request: Request) -> None:
        _json(request, 200, {"live": True})

    def _ready(self, request: Request) -> None:
        ready = self._champion() is not None
        _json(request, 200 if ready else 503, {"ready": ready})

    def _v1_models(self, request: Request) -> None:
        name = self._plane.model()
        _json(request, 200, {"models": [name] if name else []})

    def _by_model(self, request: Request) -> None:
        """Answer a path that names a model, or say that there is nothing."""
        path = request.path.decode("latin-1")
        parts = path.split("/")[1:]
        if parts[:2] == ["v2", "models"] and len(parts) > 2:
            self._v2(request, parts[2:])
        elif parts[:2] == ["v1", "models"] and len(parts) == 3:
            self._v1(request, parts[2])
        else:
            self._nothing(request, path)

    def _nothing(self, request: Request, path: str) -> None:
        allowed = [m.decode() for m, known in self._plane.routes if known == request.path]
        if allowed:
            method = request.method.decode("latin-1")
            message = f"{path} takes {', '.join(allowed)}, not {method}"
            exchange = request.exchange()
            exchange.extra = _allow(*allowed)
            exchange.finish(405, problem("BAD_REQUEST", message))
            return
        request.exchange().finish(404, problem("NOT_FOUND", f"nothing is at {path}"))

    def _v2(self, request: Request, parts: list[str]) -> None:
        name, *rest = parts
        version = None
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
        model = self._plane.model()
        if name != model:
            _v2_error(request, 404, f"model {name!r} is not served here; served: {model or 'none'}")
            return
        verb = (request.method, *rest)
        if verb == (b"POST", "infer"):
            self._infer(request, version)
        elif verb in ((b"GET",), (b"GET", "ready")):
            self._v2_about(request, name, version, ready=bool(rest))
        elif rest in ([], ["ready"], ["infer"]):
            allowed = "POST" if rest == ["infer"] else "GET"
            exchange = request.exchange(kind=frames.V2_INFER)
            exchange.extra = _allow(allowed)
            refuse(exchange, 405, "", f"this path takes {allowed}")
        else:
            _v2_error(request, 404, f"nothing is at {request.path.decode('latin-1')}")

    def _infer(self, request: Request, version: str | None) -> None:
        length = request.headers.get(binary.LENGTH)
        try:
            if length is not None:
                request.body, wanted = binary.split(length, request.body)
            elif b"binary_data" in request.body:
                wanted = binary.wanted(json.loads(request.body))
            else:
                wanted = None
        except (ValueError, RecursionError) as error:
            _v2_error(request, 400, str(error))
            return
        if wanted:
            request.translate = wanted.write
        self._plane.submit(request, frames.V2_INFER, version=version)

    def _v2_about(self, request: Request, name: str, version: str | None, *, ready: bool) -> None:
        status, item = self.about(name, version, ready=ready)
        _json(request, status, item)

    def about(self, name: str, version: str | None, *, ready: bool) -> tuple[int, dict[str, Any]]:
        """Return what the Open Inference Protocol tells of a model, with its HTTP status.

        Args:
            name: of the model.
            version: of the model, None for the champion.
            ready: whether only readiness is asked for.
        """
        model = self._plane.model()
        if name != model:
            return 404, _error(f"model {name!r} is not served here; served: {model or 'none'}")
        groups = self._plane.fleet.groups
        group = self._champion() if version is None else groups.get(version)
        if version is not None and group is None:
            known = ", ".join(sorted(groups)) or "none"
            return 404, _error(f"version {version!r} is not served here; served: {known}")
        if ready:
            able = group is not None and group.ready
            return 200 if able else 503, {"name": name, "ready": able}
        if group is None or group.description is None:
            return 503, _error(f"model {name!r} is not ready")
        return 200, {
            "name": name,
            "versions": sorted(groups),
            "platform": f"mlflow_{group.description.runtime}",
            "inputs": tensors(group.description.inputs, "input"),
            "outputs": tensors(group.description.outputs, "predict"),
        }

    def _v1(self, request: Request, part: str) -> None:
        name, _, verb = part.partition(":")
        if name != self._plane.model():
            message = f"model {name!r} is not served here"
            request.exchange().finish(404, json.dumps({"error": message}).encode())
        elif request.method == b"POST" and verb == "predict":
            # The same words as MLflow's `instances`, there and back.
            self._plane.submit(request, frames.INVOCATIONS_JSON)
        elif request.method == b"GET" and not verb:
            ready = self._champion() is not None
            _json(request, 200 if ready else 503, {"name": name, "ready": ready})
        else:
            self._nothing(request, request.path.decode("latin-1"))


def _allow(*methods: str) -> bytes:
    """Return the header that RFC 9110 (15.5.6) wants beside status 405."""
    return f"allow: {', '.join(methods)}\r\n".encode()


def _json(request: Request, status: int, item: dict[str, Any]) -> None:
    request.exchange().finish(status, json.dumps(item).encode())


def _error(message: str) -> dict[str, Any]:
    return {"error": message}


def _v2_error(request: Request, status: int, message: str) -> None:
    refuse(request.exchange(kind=frames.V2_INFER), status, "", message)
