"""Where a message came from, or goes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The other side as our socket sees it: the address behind its NAT, not the one it writes.

    Over TCP it names the connection from or to that address; sending to it opens one where there is
    none.
    """

    host: str
    port: int
    transport: Transport = "udp"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"
