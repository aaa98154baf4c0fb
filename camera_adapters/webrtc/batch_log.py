"""The batches that one feed's followers still have to be sent, or can start with."""

from __future__ import annotations

from camera_adapters.webrtc.packet_batch import PacketBatch


class BatchLog:
    """The batches since the last keyframe, numbered on for ever.

    ``first`` is the number of ``batches[0]``, ``end`` the number the next one gets. ``joinable``:
    the log begins with a keyframe, so that a decoder can start there. With a ``count_limit`` it is
    not joinable any more when it has so many batches, and keeps the newest half of so many.
    """

    __slots__ = ("batches", "count_limit", "end", "first", "joinable", "size", "size_limit")

    def __init__(self, size_limit: int, count_limit: int | None = None) -> None:
        self.batches: list[PacketBatch] = []
        self.first = 0
        self.end = 0
        self.size = 0
        self.size_limit = size_limit
        self.count_limit = count_limit
        self.joinable = False

    def append(self, batch: PacketBatch) -> None:
        """Add the next batch; a keyframe starts the log anew, and so does outgrowing the limit."""
        if batch.keyframe:
            self.clear()
            self.joinable = True
        elif self.size + batch.size > self.size_limit:
            self.clear()
        elif len(self.batches) == self.count_limit:
            self._forget_half()
        self.batches.append(batch)
        self.size += batch.size
        self.end += 1

    def end_gop(self) -> None:
        """What follows does not belong to the keyframe: only who is here already goes on."""
        self.joinable = False

    def _forget_half(self) -> None:
        forgotten = self.batches[: len(self.batches) // 2]
        # A new list: whoever walks the old one does so undisturbed.
        self.batches = self.batches[len(forgotten) :]
        self.first += len(forgotten)
        self.size -= sum(one.size for one in forgotten)
        self.joinable = False

    def clear(self) -> None:
        """Forget the batches; numbers go on."""
        self.batches = []
        self.first = self.end
        self.size = 0
        self.joinable = False
