"""`python -m penstock.gateway --state DIR`: run a gateway in the foreground."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from penstock.errors import PenstockError
from penstock.gateway.app import serve
from penstock.gateway.options import GatewayOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="penstock.gateway")
    parser.add_argument("--state", type=Path, required=True, help="directory of the state")
    parser.add_argument("--options", type=Path, help="JSON file with the settings")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    given = parser.parse_args(arguments)
    item = GatewayOptions().to_dict()
    if given.options is not None:
        item |= json.loads(given.options.read_text(encoding="utf-8"))
    for name in ("host", "port"):
        if getattr(given, name) is not None:
            item[name] = getattr(given, name)
    try:
        serve(given.state.absolute(), GatewayOptions.from_dict(item))
    except PenstockError as error:
        sys.stderr.write(json.dumps({"error": error.to_dict()}) + "\n")
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
