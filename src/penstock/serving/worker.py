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
import signal
import socket
import sys
import traceback
from collections.abc import Sequence

from penstock.inference import frames
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load

RECEIVE = 1 << 20
"""Bytes taken from the socket at a time."""
MAX_TAKE = 8 << 20
"""Most bytes taken into one batch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until the gateway closes its end; return the exit code."""
    parser = argparse.ArgumentParser(prog="penstock.serving.worker")
    parser.add_argument("--model", required=True, help="directory of the MLflow model")
    parser.add_argument("--fd", type=int, required=True, help="socket to the gateway")
    parser.add_argument("--name", default="", help="name of the model")
    parser.add_argument("--version", default="", help="version of the model")
    options = parser.parse_args(arguments)
    # Ctrl-C in a terminal reaches the whole process group; the gateway decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=options.fd)
    connection.setblocking(True)
    try:
        model = load(options.model)
        batcher = Batcher(model, options.name, options.version)
        batcher.warm_up()
    except BaseException as error:  # the model's own code may raise anything, even SystemExit
        traceback.print_exc()
        _say_hello(connection, {"failed": _in_words(error)})
        return 1
    # What the libraries made so far stays for ever; looking through it for garbage now and then
    # would hold requests up for tens of milliseconds.
    gc.collect()
    gc.freeze()
    _say_hello(connection, {"ready": model.describe().to_dict(), "pid": os.getpid()})
    model.settle()
    return _serve(connection, batcher)


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
            connection.sendall(frames.encode_answers(batcher.answer(waiting)))


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
