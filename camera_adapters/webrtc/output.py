"""All WebRTC viewers of a media shard: offers in, answers and viewers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from camera_adapters.stream import Stream
from camera_adapters.webrtc.viewer import Viewer


class OfferRefused(Exception):
    """An offer that cannot be answered. ``status`` is the HTTP status, ``code`` a stable word:
    ``offer_malformed`` (400), ``not_playable`` (422), ``has_b_frames`` (422), ``full`` (503)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class WebRtcOutput:
    """One UDP port and everybody who watches through it.

    ``async with await WebRtcOutput.open(...)`` or call :meth:`close`. All methods run on the event
    loop and return at once.
    """

    @classmethod
    async def open(
        cls, *, udp_port: int = 0, advertise_addresses: Sequence[str] = ("127.0.0.1",)
    ) -> WebRtcOutput:
        """Bind ``udp_port`` (0: any free one) for every advertised address.

        An address that is not this machine's own (behind a NAT) makes it listen on all of that
        family. Raises OSError when the port is taken.
        """
        raise NotImplementedError

    def answer(
        self, stream: Stream, offer: str, *, on_closed: Callable[[str], None]
    ) -> tuple[Viewer, str]:
        """Make a viewer of ``stream``, which must have a run; returns it with the SDP answer.

        ``on_closed(reason)`` is called once when it is gone. Raises OfferRefused.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close every viewer with ``shard_stopping`` and the port."""
        raise NotImplementedError
