"""Reading one-byte RTP header extensions (RFC 8285 §4.2), before a packet is decrypted."""

from __future__ import annotations

from collections.abc import Iterator

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
"""RFC 9143 §15: which section of the session a packet belongs to."""
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
"""RFC 8852 §3.1: which quality of it."""
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
"""RFC 8852 §3.2: of which quality this is a retransmission."""
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
"""RFC 6464: how loud it is."""
SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
"""24 bits, 6.18 seconds: when it was sent."""
TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
"""16 bits: the packet's number among all of its transport."""


def elements(packet: bytes) -> Iterator[tuple[int, bytes]]:
    """The (id, value) pairs of a packet of 12 bytes or more; none where there is nothing sound."""
    if not packet[0] & 0x10:
        return
    start = 12 + 4 * (packet[0] & 0x0F)
    if packet[start : start + 2] != b"\xbe\xde":
        return
    end = min(start + 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big"), len(packet))
    position = start + 4
    while position < end:
        first = packet[position]
        if first == 0:
            position += 1
            continue
        length = (first & 0x0F) + 1
        # Neither id may have a value (§4.2): what follows is not to be read.
        if first >> 4 in (0, 15) or position + 1 + length > end:
            return
        yield first >> 4, packet[position + 1 : position + 1 + length]
        position += 1 + length


def audio_level(packet: bytes, identifier: int) -> tuple[int, bool] | None:
    """Loudness in -dBov (0 loud, 127 silent) and whether it is a voice (RFC 6464 §3); None
    where the packet does not say."""
    for number, value in elements(packet):
        if number == identifier:
            return value[0] & 0x7F, value[0] & 0x80 != 0
    return None


def transport_number(packet: bytes, identifier: int) -> int | None:
    """The transport-wide number; None where the packet has none."""
    for number, value in elements(packet):
        if number == identifier and len(value) == 2:
            return value[0] << 8 | value[1]
    return None
