"""What is at which path, beside `/invocations`."""

from __future__ import annotations

from penstock.gateway.http import Request
from penstock.gateway.plane import Plane
from penstock.gateway.refusals import problem


class Routes:
    """Adds the routes of all protocols to a plane."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        for path in (b"/ping", b"/health"):
            plane.routes[b"GET", path] = self._ping
        plane.routes[b"GET", b"/version"] = self._version
        plane.fallback = self._fallback

    def _ping(self, request: Request) -> None:
        """MLflow's health check: 200 when a model can answer."""
        ready = self._plane.fleet.split.champion is not None
        request.exchange().finish(200 if ready else 404, b"\n")

    def _version(self, request: Request) -> None:
        """MLflow's version, as of the champion's environment."""
        split = self._plane.fleet.split
        group = self._plane.fleet.groups.get(split.champion or "")
        described = group.description if group is not None else None
        request.exchange().finish(200, described.mlflow.encode() if described else b"")

    def _fallback(self, request: Request) -> None:
        path = request.path.decode("latin-1")
        allowed = [method for method, known in self._plane.routes if known == request.path]
        if allowed:
            methods = b", ".join(allowed).decode()
            message = f"{path} takes {methods}, not {request.method.decode('latin-1')}"
            request.exchange().finish(405, problem("BAD_REQUEST", message))
            return
        request.exchange().finish(404, problem("NOT_FOUND", f"nothing is at {path}"))
