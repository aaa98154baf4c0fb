"""The batches that one Stream's viewers still have to be sent, or can start with."""

from __future__ import annotations

from camera_adapters.webrtc.packet_batch import PacketBatch


class BatchLog:
    """The batches since the last keyframe, numbered on for ever.

    ``first`` is the number of ``batches[0]``, ``end`` the number the next one gets. ``joinable``:
    the log begins with a keyframe, so that a decoder can start there.
    """

    __slots__ = ("batches", "end", "first", "joinable", "size", "size_limit")

    def __init__(self, size_limit: int) -> None:
        self.batches: list[PacketBatch] = []
        self.first = 0
        self.end = 0
        self.size = 0
        self.size_limit = size_limit
        self.joinable = False

    def append(self, batch: PacketBatch) -> None:
        """Add the next batch; a keyframe starts the log anew, and so does outgrowing the limit."""
        if batch.keyframe:
            self.clear()
            self.joinable = True
        elif self.size + batch.size > self.size_limit:
            self.clear()
        self.batches.append(batch)
        self.size += batch.size
        self.end += 1

    def clear(self) -> None:
        """Forget the batches; numbers go on."""
        self.batches = []
        self.first = self.end
        self.size = 0
        self.joinable = False
