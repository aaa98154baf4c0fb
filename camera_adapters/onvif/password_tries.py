"""How often a device was tried with a password: never more than twice, since devices lock out.

Most makers lock an account, and some an address, after three to seven wrong passwords, for half an
hour: a county-wide account with a slip of the pen would blind a county.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

TRIES_LIMIT = 2
WAIT_S = 30 * 60
_DEVICES_LIMIT = 50_000


@dataclass(slots=True)
class _Refusals:
    count: int
    last_s: float


class PasswordTries:
    """Refusals in a row by device (host and port). Times are seconds of one monotonic clock.

    After two refusals nothing is tried for half an hour, then once. It forgets the longest
    unchanged of more than 50,000.
    """

    def __init__(self) -> None:
        self._refusals: OrderedDict[str, _Refusals] = OrderedDict()

    def wait_s(self, device: str, now_s: float) -> float:
        """How long to wait before the next try; 0.0: now."""
        refusals = self._refusals.get(device)
        if refusals is None or refusals.count < TRIES_LIMIT:
            return 0.0
        return max(0.0, refusals.last_s + WAIT_S - now_s)

    def note_refused(self, device: str, now_s: float) -> None:
        """A try was refused."""
        refusals = self._refusals.pop(device, None) or _Refusals(0, now_s)
        refusals.count += 1
        refusals.last_s = now_s
        self._refusals[device] = refusals
        while len(self._refusals) > _DEVICES_LIMIT:
            self._refusals.popitem(last=False)

    def note_accepted(self, device: str) -> None:
        """A try was accepted: the device counts from the beginning, and so do we."""
        self._refusals.pop(device, None)

    forget = note_accepted
