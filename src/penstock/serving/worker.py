"""The worker process: loads one model version, warms it up, then answers frames of requests.

It has one thread on purpose. While the model is busy, requests wait in the socket; when it is
free, everything that waits is taken as one batch. So batches grow with the load by themselves,
and a lone request never waits for others.

    python -m penstock.serving.worker --model DIR --fd N

`fd` is one end of a socket pair whose other end the gateway holds; when the gateway goes, so
does the worker.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from penstock.inference import frames
from penstock.inference.manner import Manner
from penstock.logs import ERROR, Log, from_environment
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load

RECEIVE = 1 << 20
"""Bytes taken from the socket at a time."""
ROOM = 1024
"""MiB beside twice its limit that a worker may reserve."""
MAX_TAKE = 8 << 20
"""Most bytes taken into one batch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the gateway closes its end; return the exit code."""
    parser = argparse.ArgumentParser(prog="penstock.serving.worker")
    parser.add_argument("--model", required=True, help="directory of the MLflow model")
    parser.add_argument("--fd", type=int, required=True, help="socket to the gateway")
    parser.add_argument("--name", default="", help="name of the model")
    parser.add_argument("--version", default="", help="version of the model")
    parser.add_argument("--manner", default="", help="file that says how to answer")
    options = parser.parse_args(arguments)
    # Ctrl-C in a terminal reaches the whole process group; the gateway decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=options.fd)
    connection.setblocking(True)
    _fence(int(os.environ.get(frames.MEMORY, "0")))
    log = _log(options.name, options.version)
    began = time.monotonic()
    try:
        manner = _manner(options.manner)
        model = load(options.model, manner)
        batcher = Batcher(model, options.name, options.version)
        batcher.warm_up()
        batcher.behave(manner)
    except BaseException as error:  # the model's own code may raise anything, even SystemExit
        traceback.print_exc()
        log.write(
            _in_words(error),
            {
                "event.action": "model-failed",
                "error.type": type(error).__name__,
                "error.message": str(error),
                "error.stack_trace": traceback.format_exc(),
            },
            level=ERROR,
        )
        _say_hello(connection, {"failed": _in_words(error)})
        return 1
    # What the libraries made so far stays for ever; looking through it for garbage now and then
    # would hold requests up for tens of milliseconds.
    gc.collect()
    gc.freeze()
    _say_hello(connection, {"ready": batcher.describe().to_dict(), "pid": os.getpid()})
    model.settle()
    seconds = time.monotonic() - began
    log.write(
        f"version {options.version} is ready after {seconds:.2f} s",
        {"event.action": "model-loaded", "event.duration": int(seconds * 1e9)},
    )
    code = _serve(connection, batcher)
    log.write(f"version {options.version} ended", {"event.action": "worker-stopped"})
    return code


def _fence(limit: int) -> None:
    """Let no single allocation take the machine's memory before the gateway sees it.

    The gateway measures twice a second and replaces a worker above its limit. This is a wider
    fence, as libraries reserve more than they use: beyond it the model gets a `MemoryError`.

    Args:
        limit: MiB that the worker may hold, 0 for any.
    """
    if limit:
        fence = (2 * limit + ROOM) << 20
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or fence < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (fence, hard))


def _manner(file: str) -> Manner:
    return Manner.from_dict(json.loads(Path(file).read_bytes())) if file else Manner()


def _log(model: str, version: str) -> Log:
    known = {"penstock.model": model, "penstock.version": version}
    return from_environment("worker", **known)


def _serve(connection: socket.socket, batcher: Batcher) -> int:
    reader = frames.FrameReader()
    while True:
        data = connection.recv(RECEIVE)
        if not data:
            return 0
        waiting = _take(reader, data)
        if len(data) == RECEIVE:
            waiting += _drain(connection, reader)
        if waiting:
            answers = batcher.answer(waiting)
            if batcher.checks is not None and batcher.checks.notes:
                connection.sendall(frames.frame(frames.NOTES, batcher.checks.taken()))
            connection.sendall(frames.encode_answers(answers))


def _take(reader: frames.FrameReader, data: bytes) -> list[tuple[int, int, bytes]]:
    requests: list[tuple[int, int, bytes]] = []
    for kind, payload in reader.feed(data):
        if kind == frames.REQUESTS:
            requests += frames.decode_requests(payload)
    return requests


def _drain(connection: socket.socket, reader: frames.FrameReader) -> list[tuple[int, int, bytes]]:
    """Take what else waits in the socket, without waiting for more."""
    requests: list[tuple[int, int, bytes]] = []
    taken = RECEIVE
    while taken < MAX_TAKE:
        try:
            data = connection.recv(RECEIVE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            break
        if not data:
            break
        taken += len(data)
        requests += _take(reader, data)
    return requests


def _say_hello(connection: socket.socket, message: dict[str, object]) -> None:
    connection.sendall(frames.frame(frames.HELLO, json.dumps(message).encode()))


def _in_words(error: BaseException) -> str:
    """Return why a model cannot be served, in one line for a person."""
    if isinstance(error, ModuleNotFoundError):
        return f"the model needs the package {error.name!r}, which its environment does not have"
    text = " ".join(str(error).split())
    name = type(error).__name__
    return f"loading the model failed: {name}: {text}"[:600] if text else f"loading failed: {name}"


if __name__ == "__main__":
    sys.exit(main())
