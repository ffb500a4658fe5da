"""The Open Inference Protocol over gRPC (extra ``grpc``), in the process of the gateway.

A call is a request like any other: it goes through the same split, counters and log.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import penstock
from penstock.errors import StateError
from penstock.gateway.exchange import Exchange
from penstock.gateway.options import GatewayOptions
from penstock.gateway.plane import Plane
from penstock.gateway.refusals import refuse
from penstock.gateway.routes import EXTENSIONS, Routes
from penstock.gateway.rpc_messages import METHODS, SERVICE, classes
from penstock.gateway.rpc_tensors import NoTensorError, fill_response, request_item
from penstock.inference import frames

STATUSES = {
    400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED",
    422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip
"""HTTP status of an answer -> gRPC's; everything else is ``INTERNAL``."""


class Call:
    """One inference over gRPC, as the plane sees it: a request that waits for its answer.

    Attributes:
        headers: metadata of the call, by name.
        body: the same request as JSON.
        answer: the exchange, when it is finished.
    """

    def __init__(self, plane: Plane, headers: dict[bytes, bytes], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.answer: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
        self._plane = plane
        self._started = monotonic()

    def exchange(self, id: str = "", kind: int = 0) -> Exchange:
        """Return the exchange that will carry the answer."""
        return Exchange(self, id, kind, self.body, self._started)

    def answered(self, exchange: Exchange) -> None:
        """Count the answer and wake whoever waits for it, if the caller is still there."""
        if exchange.version:
            exchange.seconds = monotonic() - exchange.started
            self._plane.record(exchange)
        if not self.answer.done():
            self.answer.set_result(exchange)


class Service:
    """Answers the methods of the protocol.

    Args:
        plane: takes the requests.
        routes: knows what is told of models.
    """

    def __init__(self, plane: Plane, routes: Routes) -> None:
        self._plane = plane
        self._routes = routes
        self._made = classes()

    def method(self, name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        """Return the coroutine function that answers a method."""
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
        }[name]

    async def _server_live(self, _message: Any, _context: Any) -> Any:
        return self._made["ServerLiveResponse"](live=True)

    async def _server_ready(self, _message: Any, _context: Any) -> Any:
        ready = self._plane.fleet.split.champion is not None
        return self._made["ServerReadyResponse"](ready=ready)

    async def _server_metadata(self, _message: Any, _context: Any) -> Any:
        return self._made["ServerMetadataResponse"](
            name="penstock", version=penstock.__version__, extensions=EXTENSIONS
        )

    async def _model_ready(self, message: Any, context: Any) -> Any:
        _, item = await self._about(message, context, ready=True)
        return self._made["ModelReadyResponse"](ready=item["ready"])

    async def _model_metadata(self, message: Any, context: Any) -> Any:
        status, item = await self._about(message, context, ready=False)
        if status != 200:
            await _abort(context, status, item["error"])
        return self._made["ModelMetadataResponse"](**item)

    async def _about(self, message: Any, context: Any, *, ready: bool) -> tuple[int, Any]:
        status, item = self._routes.about(message.name, message.version or None, ready=ready)
        if status == 404:
            await _abort(context, status, item["error"])
        return status, item

    async def _infer(self, message: Any, context: Any) -> Any:
        try:
            item = request_item(message)
        except NoTensorError as error:
            await _abort(context, 400, str(error))
            raise
        headers = {
            key.encode(): value if isinstance(value, bytes) else value.encode()
            for key, value in context.invocation_metadata() or ()
        }
        # NaN and Infinity are values here, so the writer of JSON must know them.
        call = Call(self._plane, headers, json.dumps(item).encode())
        model = self._plane.model()
        if message.model_name != model:
            text = f"model {message.model_name!r} is not served here; served: {model or 'none'}"
            refuse(call.exchange(kind=frames.V2_INFER), 404, "", text)
        else:
            self._plane.submit(call, frames.V2_INFER, version=message.model_version or None)
        exchange = await call.answer
        sent = [("x-request-id", exchange.id), ("x-penstock-version", exchange.version)]
        # Lines of an answer's head are the call's trailing metadata.
        sent += [
            (key.decode(), value.strip().decode())
            for key, _, value in (line.partition(b":") for line in exchange.extra.splitlines())
        ]
        context.set_trailing_metadata([pair for pair in sent if pair[1]])
        answer = json.loads(exchange.answer)
        if exchange.status != 200:
            await _abort(context, exchange.status, str(answer.get("error", "")))
        response = self._made["ModelInferResponse"]()
        fill_response(response, answer, raw=bool(message.raw_input_contents))
        return response


async def _abort(context: Any, status: int, message: str) -> None:
    """End a call with an error; it raises what gRPC wants raised."""
    import grpc

    code = getattr(grpc.StatusCode, STATUSES.get(status, "INTERNAL"))
    await context.abort(code, message)


async def listen(plane: Plane, routes: Routes, options: GatewayOptions) -> tuple[Any, str]:
    """Start to answer gRPC.

    Returns:
        The server, to stop it, and the address that it listens on.

    Raises:
        StateError: the extra is not installed (``gateway.no-grpc``), or the port is taken
            (``gateway.port-busy``).
    """
    # Workers are started with vfork, which gRPC's own watch over forks only disturbs.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        import grpc.aio

        service = Service(plane, routes)
    except ImportError:
        raise StateError(
            "gRPC needs packages that are not installed",
            code="gateway.no-grpc",
            hint="pip install 'penstock[grpc]', or leave out the port for gRPC",
        ) from None
    limits = [
        ("grpc.max_receive_message_length", options.max_body),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),  # two gateways on one port would share the calls unseen
    ]
    server = grpc.aio.server(options=limits)
    made = classes()
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            service.method(name),
            request_deserializer=made[f"{name}Request"].FromString,
            response_serializer=made[f"{name}Response"].SerializeToString,
        )
        for name in METHODS
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        port = server.add_insecure_port(f"{host}:{options.grpc_port}")
    except RuntimeError:
        raise StateError(
            f"cannot listen on {host}:{options.grpc_port} for gRPC",
            code="gateway.port-busy",
            hint="choose another port for gRPC, or stop whatever uses this one",
        ) from None
    await server.start()
    return server, f"{host}:{port}"
