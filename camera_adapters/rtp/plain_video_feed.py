"""H.264 or H.265 in RTP without a session description of its own, into pictures."""

from __future__ import annotations

from camera_adapters.mpeg_ps.ingest import PictureTaker
from camera_adapters.rtp import depacketise_h264, depacketise_h265
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.depacketise_h265 import H265Depacketiser
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.rtp.video_groups import VideoGroups
from camera_adapters.stream import Codec, Track

CLOCK_RATE = 90_000


class PlainVideoFeed:
    """Feeds ``ingest`` from one RTP source of plain video: give its packets to :attr:`receiver`.

    ``framing`` and ``reordering`` are as for :class:`~camera_adapters.rtp.receiver.RtpReceiver`.
    """

    def __init__(
        self,
        ingest: PictureTaker,
        codec: Codec,
        *,
        payload_type: int,
        reordering: bool,
        framing: int = 4,
    ) -> None:
        is_h265 = codec is Codec.H265
        module = depacketise_h265 if is_h265 else depacketise_h264
        self.codec = codec
        self.receiver = RtpReceiver(
            payload_type,
            CLOCK_RATE,
            self._on_group,
            reordering=reordering,
            framing=framing,
            head_bytes=module.HEAD_BYTES,
            starts_picture=module.starts_picture,
        )
        self._ingest = ingest
        depacketiser = H265Depacketiser() if is_h265 else H264Depacketiser()
        self._groups = VideoGroups(depacketiser, self.receiver)
        self._track: Track | None = None

    def note_report(self, rtp_timestamp: int, our_us: int) -> None:
        """A sender report says that this RTP timestamp was at ``our_us``."""
        timestamp = self.receiver.unwrap(rtp_timestamp)
        if timestamp is not None:
            self._ingest.note_report(timestamp, our_us)

    def close(self) -> None:
        """Nothing more comes."""

    def _on_group(self, group: Group) -> None:
        if group.restarted:
            self._ingest.restart_clock()
        for picture in self._groups.pictures(group):
            self._ingest.coded(self.codec, picture, group.timestamp, group.arrival_us)
        track = self._ingest.video_track
        if track is not None and track is not self._track:
            self._track = track
            self._groups.note_format(track)
