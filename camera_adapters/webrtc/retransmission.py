"""What was sent of late, so that a NACK can be answered (RFC 4585 §6.2.1, RFC 4588)."""

from __future__ import annotations

from camera_adapters.webrtc.packet_batch import PacketRun, run_of_one
from camera_adapters.webrtc.srtp import REPLAY_WINDOW, RtpStream, send_time_of

HISTORY_S = 2.0
"""A receiver that misses a packet for longer needs a keyframe, not the packet."""

RING_SIZE = 256
"""Runs remembered."""

_RESEND_INTERVAL_S = 0.02


class SendHistory:
    """The runs one RTP stream has sent in the last seconds.

    Runs are shared by all peers; what is kept for each peer is where they lie in its numbering: in
    columns, since a record for every run of every viewer would keep the garbage collector busy.
    """

    __slots__ = (
        "_again",
        "_first",
        "_next",
        "_resent_at_s",
        "_runs",
        "_sent_at_s",
        "_stream",
        "_timestamps",
        "_wide",
    )

    def __init__(self, stream: RtpStream, retransmission_stream: RtpStream | None) -> None:
        self._stream = stream
        self._again = retransmission_stream
        self._next = 0
        self._first: list[int] = [0] * RING_SIZE
        self._runs: list[PacketRun | None] = [None] * RING_SIZE
        self._timestamps: list[int] = [0] * RING_SIZE
        self._wide: list[int] = [0] * RING_SIZE
        self._sent_at_s: list[float] = [0.0] * RING_SIZE
        self._resent_at_s: dict[int, float] = {}

    def use(self, retransmission_payload_type: int | None) -> None:
        """From now on another codec is sent: its retransmissions have this payload type.

        What was sent before is forgotten.
        """
        if self._again is not None and retransmission_payload_type is not None:
            self._again.payload_type = retransmission_payload_type
        self._runs = [None] * RING_SIZE

    def note(
        self, run: PacketRun, timestamp: int, at_s: float, sequence: int, wide_number: int
    ) -> None:
        """Remember a run and its first packet's numbers, as they are about to be sent.

        ``wide_number`` is :attr:`RtpStream.wide_number` before.
        """
        at = self._next
        self._next = (at + 1) % RING_SIZE
        self._first[at] = sequence
        self._runs[at] = run
        self._timestamps[at] = timestamp
        self._sent_at_s[at] = at_s
        self._wide[at] = wide_number

    def again(self, number: int, at_s: float) -> memoryview | None:
        """The packet with this 16-bit sequence number, encrypted for sending once more.

        None when it is too old, was never sent, or was sent again a moment ago. The view is valid
        until the next encryption. Raises SrtpError.
        """
        newest = self._stream.next_sequence - 1
        sequence = newest - ((newest - number) & 0xFFFF)
        if at_s - self._resent_at_s.get(sequence, -1.0) < _RESEND_INTERVAL_S:
            return None
        at = self._next
        for _ in range(RING_SIZE):
            at = (at - 1) % RING_SIZE
            run = self._runs[at]
            if run is None or at_s - self._sent_at_s[at] > HISTORY_S:
                return None
            index = sequence - self._first[at]
            if 0 <= index < run.count:
                self._note_resent(sequence, at_s)
                return self._encrypted(run, at, index, number, at_s)
        return None

    def _encrypted(
        self, run: PacketRun, at: int, index: int, number: int, at_s: float
    ) -> memoryview | None:
        marker = run.ends_picture and index == run.count - 1
        payload = run.payload(index)
        if self._again is not None:
            original = number.to_bytes(2, "big")
            again = run_of_one(original, payload, marker=marker)
            self._again.send_time = send_time_of(at_s)
            return self._again.protect(again, self._timestamps[at])[0]
        sequence = self._first[at] + index
        if self._stream.next_sequence - sequence >= REPLAY_WINDOW:
            return None
        return self._stream.protect_again(
            run_of_one(b"", payload, marker=marker),
            self._timestamps[at],
            sequence,
            # A time is the same for all packets of a run, a number is not.
            self._wide[at] + (0 if self._stream.timed else index),
        )

    def _note_resent(self, sequence: int, at_s: float) -> None:
        if len(self._resent_at_s) > 1024:
            self._resent_at_s = {
                key: when
                for key, when in self._resent_at_s.items()
                if at_s - when < _RESEND_INTERVAL_S
            }
        self._resent_at_s[sequence] = at_s
