"""The control socket: one JSON object a line, one answer a line.

``{"do": "status"}``, ``{"do": "apply", "table": {...}}``, ``{"do": "stop"}``. The socket belongs to
the user who started the gateway and to nobody else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.errors import PenstockError, StateError

LIMIT = 16 << 20
"""Longest line in bytes."""

Deed = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Control:
    """Answers the lines of one control connection after the other.

    Args:
        deeds: name -> what it does; gets the line's object, returns the answer's.
    """

    def __init__(self, deeds: dict[str, Deed]) -> None:
        self._deeds = deeds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer lines until the client closes."""
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            pass  # the client went, or sent a line without end: there is nobody to tell
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            item = json.loads(line)
            deed = self._deeds[item["do"]]
        except (ValueError, KeyError, TypeError):
            error = StateError("this is not a command", code="gateway.unknown-command")
            return {"error": error.to_dict()}
        try:
            return await deed(item)
        except PenstockError as error:
            return {"error": error.to_dict()}
        except OSError as error:
            refused = StateError(
                f"the gateway could not record it: {error.strerror or error}",
                code="gateway.disk",
                hint="make room on the disk and try again",
            )
            return {"error": refused.to_dict()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refused = StateError(f"this is not a command: {error}", code="gateway.bad-command")
            return {"error": refused.to_dict()}
