"""What was sent of late, so that a NACK can be answered (RFC 4585 §6.2.1, RFC 4588)."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from camera_adapters.webrtc.packet_batch import PacketRun, run_of_one
from camera_adapters.webrtc.srtp import RtpStream

HISTORY_S = 2.0
"""A receiver that misses a packet for longer needs a keyframe, not the packet."""

_ENTRIES_LIMIT = 256
_RESEND_INTERVAL_S = 0.02


class _Sent(NamedTuple):
    first_sequence: int
    run: PacketRun
    timestamp: int
    first_transport_number: int
    at_s: float


class SendHistory:
    """The runs one RTP stream has sent in the last seconds.

    Runs are shared by all peers; what is kept for each peer is where they lie in its numbering.
    """

    __slots__ = ("_resent_at_s", "_retransmission_stream", "_sent", "_stream")

    def __init__(self, stream: RtpStream, retransmission_stream: RtpStream | None) -> None:
        self._stream = stream
        self._retransmission_stream = retransmission_stream
        self._sent: deque[_Sent] = deque(maxlen=_ENTRIES_LIMIT)
        self._resent_at_s: dict[int, float] = {}

    def note(
        self,
        first_sequence: int,
        run: PacketRun,
        timestamp: int,
        transport_number: int,
        at_s: float,
    ) -> None:
        """Remember a run just sent; ``first_sequence`` as RtpStream counts, beyond 65535."""
        self._sent.append(_Sent(first_sequence, run, timestamp, transport_number, at_s))

    def again(self, number: int, at_s: float) -> memoryview | None:
        """The packet with this 16-bit sequence number, encrypted for sending once more.

        None when it is too old, was never sent, or was sent again a moment ago. The view is valid
        until the next encryption. Raises SrtpError.
        """
        newest = self._stream.next_sequence - 1
        sequence = newest - ((newest - number) & 0xFFFF)
        if at_s - self._resent_at_s.get(sequence, -1.0) < _RESEND_INTERVAL_S:
            return None
        for sent in reversed(self._sent):
            if at_s - sent.at_s > HISTORY_S:
                return None
            index = sequence - sent.first_sequence
            if 0 <= index < sent.run.count:
                self._note_resent(sequence, at_s)
                return self._encrypted(sent, index, number)
        return None

    def _encrypted(self, sent: _Sent, index: int, number: int) -> memoryview:
        run = sent.run
        marker = run.ends_picture and index == run.count - 1
        payload = run.payload(index)
        if self._retransmission_stream is not None:
            original = number.to_bytes(2, "big")
            return self._retransmission_stream.protect(
                run_of_one(original, payload, marker=marker), sent.timestamp
            )[0]
        return self._stream.protect_again(
            run_of_one(b"", payload, marker=marker),
            sent.timestamp,
            sent.first_sequence + index,
            sent.first_transport_number + index,
        )

    def _note_resent(self, sequence: int, at_s: float) -> None:
        if len(self._resent_at_s) > 1024:
            self._resent_at_s = {
                key: when
                for key, when in self._resent_at_s.items()
                if at_s - when < _RESEND_INTERVAL_S
            }
        self._resent_at_s[sequence] = at_s
