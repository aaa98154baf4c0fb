"""From the groups of one source to what is sent on: whole pictures, cut anew.

Cutting anew makes all packets of a picture but the last equally long, whatever the sender made of
it (Chromium's differ by a byte), so that a picture leaves in one send for each receiver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from camera_adapters.codecs import CodecError, h264
from camera_adapters.rtp import packetise_h264, vp8
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.payload_parts import PayloadParts
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.rtp.video_groups import VideoGroups
from camera_adapters.webrtc.packet_batch import PAYLOAD_SIZE_LIMIT

_PARAMETER_SETS_LIMIT = 16


@dataclass(frozen=True, slots=True)
class ForwardedPicture:
    """``payloads`` None: the picture is torn, and so is all that refers to it."""

    payloads: list[PayloadParts] | None
    keyframe: bool


class PictureReader(Protocol):
    """One codec's way; ``width`` and ``height`` are those of the newest keyframe, 0 before."""

    width: int
    height: int

    def pictures(self, group: Group) -> list[ForwardedPicture]:
        """The pictures of a group; none for what belongs to the next, or is only padding."""


class H264Pictures:
    """H.264 (RFC 6184). A keyframe goes on with the newest parameter sets, which some send once;
    ``sequence_parameters`` is the first of them.
    """

    def __init__(self, receiver: RtpReceiver) -> None:
        self.width = 0
        self.height = 0
        self.sequence_parameters: bytes | None = None
        self._groups = VideoGroups(H264Depacketiser(), receiver)
        self._parameter_sets: tuple[bytes, ...] = ()
        self._has_format = False

    def pictures(self, group: Group) -> list[ForwardedPicture]:
        """See the protocol."""
        found = []
        for picture in self._groups.pictures(group):
            if picture.parameter_sets:
                self._note(picture.parameter_sets)
            if picture.damaged or (picture.keyframe and not self._has_format):
                found.append(ForwardedPicture(None, picture.keyframe))
                continue
            sets = self._parameter_sets if picture.keyframe else tuple(picture.parameter_sets)
            try:
                payloads = packetise_h264.payloads(picture.payload, sets, PAYLOAD_SIZE_LIMIT)
            except CodecError:
                found.append(ForwardedPicture(None, picture.keyframe))
                continue
            found.append(ForwardedPicture(payloads, picture.keyframe))
        return found

    def _note(self, parameter_sets: list[bytes]) -> None:
        formats = [one for one in parameter_sets if one[0] & 0x1F == h264.NAL_SPS]
        if not formats:
            known = self._parameter_sets
            new = [one for one in parameter_sets if one not in known]
            self._parameter_sets = (*known, *new)[:_PARAMETER_SETS_LIMIT]
            return
        try:
            parsed = h264.parse_sps(formats[0])
        except CodecError:
            return
        self._has_format = True
        self.sequence_parameters = formats[0]
        self.width, self.height = parsed.width, parsed.height
        self._parameter_sets = tuple(parameter_sets[:_PARAMETER_SETS_LIMIT])


class Vp8Pictures:
    """VP8 (RFC 7741)."""

    def __init__(self) -> None:
        self.width = 0
        self.height = 0

    def pictures(self, group: Group) -> list[ForwardedPicture]:
        """See the protocol."""
        payloads = [one for one in group.payloads if one]
        if not payloads:
            return [ForwardedPicture(None, False)] if group.hole else []
        frame = None if group.hole else vp8.frame(payloads)
        if frame is None:
            return [ForwardedPicture(None, False)]
        if frame.keyframe:
            self.width, self.height = frame.width, frame.height
        return [ForwardedPicture(vp8.payloads(frame.data, PAYLOAD_SIZE_LIMIT), frame.keyframe)]
