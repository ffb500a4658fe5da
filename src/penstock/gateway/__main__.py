"""`python -m penstock.gateway --state DIR`: run a gateway in the foreground, with its guard."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.errors import PenstockError
from penstock.gateway.guard import watch
from penstock.gateway.options import GatewayOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="penstock.gateway")
    parser.add_argument("--state", type=Path, required=True, help="directory of the state")
    parser.add_argument("--options", type=Path, help="JSON file with the settings")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--grpc-port", type=int, help="port for gRPC, 0 for any; none by default")
    parser.add_argument("--listener", type=int, help="descriptor of an open socket, no guard then")
    given = parser.parse_args(arguments)
    item = GatewayOptions().to_dict()
    if given.options is not None:
        item |= json.loads(given.options.read_text(encoding="utf-8"))
    for name in ("host", "port", "grpc_port"):
        if getattr(given, name) is not None:
            item[name] = getattr(given, name)
    options = GatewayOptions.from_dict(item)
    state = given.state.absolute()
    try:
        if given.listener is None:
            return watch(state, options, _command(state, given))
        from penstock.gateway.app import serve

        serve(state, options, socket.socket(fileno=given.listener))
    except PenstockError as error:
        sys.stderr.write(json.dumps({"error": error.to_dict()}) + "\n")
        return int(error.exit_code)
    return 0


def _command(state: Path, given: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "penstock.gateway", "--state", str(state)]
    if given.options is not None:
        command += ["--options", str(given.options)]
    if given.grpc_port is not None:
        command += ["--grpc-port", str(given.grpc_port)]
    return [*command, "--listener"]


if __name__ == "__main__":
    sys.exit(main())
