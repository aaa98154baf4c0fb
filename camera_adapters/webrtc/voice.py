"""A microphone by WebRTC: A-law samples in order, handed on as they come."""

from __future__ import annotations

from collections.abc import Callable

from camera_adapters.rtp import rtcp
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.stream import Codec

ACCEPTED = (Codec.PCMA,)
"""Every browser has it (RFC 7874 §3), and so do loudspeakers: nothing is transcoded."""

_PAYLOAD_TYPE = 8
_CLOCK_RATE = 8000


class VoiceTaker:
    """Takes a microphone's packets; a :class:`~camera_adapters.webrtc.incoming.MediaTaker`."""

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._receiver = RtpReceiver(
            _PAYLOAD_TYPE, _CLOCK_RATE, self._on_group, by_packet=True, reordering=True
        )

    @property
    def receiver(self) -> RtpReceiver:
        """See the protocol."""
        return self._receiver

    def receive_rtcp(self, data: bytes, now_us: int) -> bool:
        """See the protocol."""
        try:
            packets = rtcp.parse(data)
        except rtcp.RtcpError:
            return False
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                self._receiver.note_sender_report(packet.ntp, now_us)
        return any(isinstance(packet, rtcp.Goodbye) for packet in packets)

    def build_receiver_report(self, ssrc: int, now_us: int) -> bytes | None:
        """See the protocol."""
        block = self._receiver.report_block(now_us)
        return None if block is None else rtcp.build_receiver_report(ssrc, [block], "gridsight")

    def _on_group(self, group: Group) -> None:
        self._deliver(b"".join(group.payloads))
