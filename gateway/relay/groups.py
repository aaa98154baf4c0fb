"""RTP sources on their way to another shard, packet by packet as they came: what a site of a
meeting sends. Sans-IO.

As with :mod:`gateway.relay.backlog`, whoever sends never waits: what the other side does not take
in time is dropped, counted, and a hole there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from camera_adapters.rtp.depacketise_h264 import HEAD_BYTES
from camera_adapters.rtp.group import Group
from camera_adapters.stream import Codec

BYTES_LIMIT = 4 * 1024 * 1024
# Who is further behind than this hears and sees what is said now, and not what was said then.
BEHIND_LIMIT_S = 1.0
_BATCH = 100

_HOLE, _AFTER_GAP, _RESTARTED, _MARKER = 1, 2, 4, 8

GroupMessage = list[Any]
"""``[timestamp, flags, payloads]``."""


class GroupBacklog:
    """Groups that wait to be sent; ``on_waiting`` is called when there is one. ``now_s`` is a
    monotonic clock.
    """

    __slots__ = (
        "_bytes_waiting",
        "_gap",
        "_groups",
        "_now_s",
        "_on_waiting",
        "_restarted",
        "counted",
    )

    def __init__(self, on_waiting: Callable[[], None], now_s: Callable[[], float]) -> None:
        self._on_waiting = on_waiting
        self._now_s = now_s
        self._groups: deque[tuple[float, int, GroupMessage]] = deque()
        self._bytes_waiting = 0
        self._gap = False
        # To the other side nothing has come before.
        self._restarted = True
        self.counted: Counter[str] = Counter(bytes=0, pictures=0, units_dropped=0)

    def put(self, group: Group, *, picture: bool) -> None:
        """One more. Never blocks."""
        payloads = group.payloads
        size = sum(map(len, payloads))
        if self._groups and (
            self._bytes_waiting + size > BYTES_LIMIT
            or self._now_s() - self._groups[0][0] > BEHIND_LIMIT_S
        ):
            self._drop_all()
        flags = (
            (group.hole and _HOLE)
            | ((group.after_gap or self._gap) and _AFTER_GAP)
            | ((group.restarted or self._restarted) and _RESTARTED)
            | (group.marker and _MARKER)
        )
        self._gap = self._restarted = False
        self._groups.append((self._now_s(), size, [group.timestamp, int(flags), payloads]))
        self._bytes_waiting += size
        self.counted["pictures"] += picture
        self._on_waiting()

    def take(self) -> list[GroupMessage]:
        """What waits, oldest first; empty when nothing does."""
        taken: list[GroupMessage] = []
        while self._groups and len(taken) < _BATCH:
            _, size, message = self._groups.popleft()
            self._bytes_waiting -= size
            self.counted["bytes"] += size
            taken.append(message)
        return taken

    def _drop_all(self) -> None:
        self.counted["units_dropped"] += len(self._groups)
        # What was said of the time line must not be lost with them.
        self._restarted = any(message[1] & _RESTARTED for _, _, message in self._groups)
        self._gap = True
        self._groups.clear()
        self._bytes_waiting = 0


def group_of(message: GroupMessage, codec: Codec, arrival_us: int) -> Group:
    """The group as a receiver here would have made it; it arrives at ``arrival_us``."""
    timestamp, flags, payloads = message
    head_bytes = HEAD_BYTES if codec is Codec.H264 else 0
    return Group(
        head_bytes=head_bytes,
        heads=[int.from_bytes(one[:head_bytes], "big") for one in payloads] if head_bytes else [],
        bodies=[one[head_bytes:] for one in payloads] if head_bytes else payloads,
        timestamp=timestamp,
        marker=bool(flags & _MARKER),
        hole=bool(flags & _HOLE),
        after_gap=bool(flags & _AFTER_GAP),
        restarted=bool(flags & _RESTARTED),
        arrival_us=arrival_us,
    )
