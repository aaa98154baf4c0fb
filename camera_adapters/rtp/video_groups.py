"""From the groups of one RTP source of video to pictures, whoever takes them."""

from __future__ import annotations

from typing import Protocol

from camera_adapters.codecs import h264
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.depacketise_h265 import H265Depacketiser
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import Codec, Track


class GroupsPictures(Protocol):
    """Whoever made the groups: ``ends_on_marker`` says whether a marker bit ends a picture."""

    ends_on_marker: bool


class VideoGroups:
    """Takes ``receiver``'s groups apart with ``depacketiser``, and tells the receiver when its
    camera's marker bits are not to be believed.
    """

    __slots__ = ("_depacketiser", "_last_timestamp", "_receiver")

    def __init__(
        self, depacketiser: H264Depacketiser | H265Depacketiser, receiver: GroupsPictures
    ) -> None:
        self._depacketiser = depacketiser
        self._receiver = receiver
        self._last_timestamp = -1

    def pictures(self, group: Group) -> list[Picture]:
        """The pictures of one group, in decoding order; damaged ones say so."""
        depacketiser = self._depacketiser
        picture = None
        if not group.hole:
            picture = depacketiser.fragmented_picture(group.heads, group.bodies)
        if picture is None:
            pictures = depacketiser.pictures(
                group.payloads, hole=group.hole, after_gap=group.after_gap
            )
        else:
            picture.damaged = group.after_gap and picture.continues
            pictures = [picture]
        for picture in pictures:
            if picture.continues and not picture.damaged:
                picture.damaged = group.timestamp == self._last_timestamp
                if picture.damaged:
                    # A marker bit stood in the middle of a picture: from now on timestamps divide.
                    self._receiver.ends_on_marker = False
            self._last_timestamp = group.timestamp
        return pictures

    def note_format(self, track: Track) -> None:
        """The pictures' format is known: both fields of a frame make one picture."""
        if track.codec is Codec.H264:
            interlaced = h264.parse_sps(track.parameter_sets[0]).interlaced
            # Both fields of a frame share a timestamp, and may each carry a marker bit.
            self._depacketiser.divider.splits = not interlaced
            if interlaced:
                self._receiver.ends_on_marker = False
