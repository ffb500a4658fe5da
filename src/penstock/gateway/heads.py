"""Heads of requests that were read before: a client sends the same one again and again.

Reading a head twice gives the same twice, so the second time it is looked up. Only whole requests
are taken this way, on a connection that is between two requests; everything else goes to the
parser. What is looked up was accepted by the parser, byte for byte.
"""

from __future__ import annotations

from typing import NamedTuple

END = b"\r\n\r\n"
MOST = 512
"""Most heads kept; when there are more, all are forgotten."""
LONGEST = 2 << 10
"""Longest head in bytes that is kept."""
ONCE = 4096
"""Most heads of which it is remembered that they came once."""


class Head(NamedTuple):
    """What a head says.

    Attributes:
        method: such as ``b"POST"``.
        path: of the URL, without the query.
        headers: by name in lower case; shared by all its requests, so nobody may change it.
        length: bytes of the body.
    """

    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    length: int


class Heads:
    """Heads by their bytes.

    A head is kept when it comes for the second time, so that those which differ every time, by an
    id of the request for example, do not crowd out the others.

    Attributes:
        known: the heads, with the empty line at their end.
    """

    def __init__(self) -> None:
        self.known: dict[bytes, Head] = {}
        self._once: set[int] = set()

    def learn(self, data: bytes, method: bytes, path: bytes, headers: dict[bytes, bytes]) -> None:
        """Note what the parser made of `data`, which was one whole request and nothing more.

        Args:
            data: the request.
            method, path, headers: as the parser read them.
        """
        end = data.find(END) + len(END)
        length = headers.get(b"content-length", b"0")
        if end > LONGEST or b"transfer-encoding" in headers or b"expect" in headers:
            return
        if not length.isdigit() or int(length) != len(data) - end:
            return
        head = data[:end]
        mark = hash(head)
        if mark not in self._once:
            if len(self._once) >= ONCE:
                self._once.clear()
            self._once.add(mark)
            return
        if len(self.known) >= MOST:
            self.known.clear()
        self.known[head] = Head(method, path, headers, int(length))
