"""One RTP source of a meeting: grouped by picture, kept since the keyframe, sent on undecoded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from camera_adapters.rtp import depacketise_h264, redundant_audio, rtcp, vp8
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.stream import Codec
from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.conference.pictures import H264Pictures, PictureReader, Vp8Pictures
from camera_adapters.webrtc.distribution import AUDIO, VIDEO, Distribution
from camera_adapters.webrtc.packet_batch import PAYLOAD_SIZE_LIMIT, PacketBatch, runs_of_payloads
from camera_adapters.webrtc.receive_answer import IncomingTrack
from camera_adapters.webrtc.wheel import Wheel

_log = structlog.get_logger(__name__)

LOG_BYTES_LIMIT = 4 * 1024 * 1024
GOP_PICTURES_LIMIT = 75
"""Who comes later than so many pictures behind a keyframe gets a new one: asked for, it is there
sooner than so many pictures are sent and decoded."""

KEYFRAME_INTERVAL_S = 0.5
"""A sender is asked for keyframes at most this often, however many want one."""

REDUNDANT_PACKETS = 2
"""So many lost in a row are heard all the same, where sound is sent twice."""

_VIDEO_WAIT_US = 450_000
"""Twice a round trip of 200 ms: lost packets are worth waiting for, as a keyframe costs more."""
_VIDEO_WAITS_US = (120_000, 500_000)
_AUDIO_WAIT_US = 40_000


class Source:
    """One RTP source, on its way to slots. ``rid`` is "" without simulcast.

    ``bitrate_bps`` is of the last second, of what is sent on (senders repeat packets to probe the
    path); ``last_packet_us`` is the process's steady clock.
    A torn picture, and what refers to it, is not sent on: the source stops until the next keyframe,
    which it asks for with ``ask_keyframe()`` for as long as anybody looks.
    """

    def __init__(
        self,
        track: IncomingTrack,
        rid: str,
        wheel: Wheel,
        now_us: Callable[[], int],
        ask_keyframe: Callable[[], None],
    ) -> None:
        self.kind = track.kind
        self.codec = track.codec
        self.rid = rid
        self.clock_rate = track.format.clock_rate
        self.bitrate_bps = 0
        self.last_packet_us = now_us()
        self.closed = False
        self.holes = 0
        self.keyframes = 0
        self.pictures = 0
        log = BatchLog(LOG_BYTES_LIMIT, GOP_PICTURES_LIMIT)
        self.distribution = Distribution(log, wheel, self.want_keyframe)
        # For receivers that lose packets: sound with what came before it, by payload type.
        self._twice: dict[int, Distribution] = {}
        self._before: deque[tuple[int, bytes]] = deque(maxlen=REDUNDANT_PACKETS)
        self._track = track
        self._wheel = wheel
        self._now_us = now_us
        self._ask_keyframe = ask_keyframe
        self._loop = asyncio.get_running_loop()
        self._taps: tuple[Callable[[Group], None], ...] = ()
        self._reader: PictureReader | None = None
        self.receiver = self._new_receiver()
        self._offset: int | None = None
        self._stopped = True
        self._wants_keyframe = False
        self._asked_s = -1e9
        self._octets = 0

    @property
    def width(self) -> int:
        """Of the newest keyframe; 0 when it is not known."""
        return 0 if self._reader is None else self._reader.width

    @property
    def height(self) -> int:
        """See ``width``."""
        return 0 if self._reader is None else self._reader.height

    @property
    def sequence_parameters(self) -> bytes | None:
        """The SPS of H.264's newest keyframe; None before it, and of other codecs."""
        reader = self._reader
        return reader.sequence_parameters if isinstance(reader, H264Pictures) else None

    def codec_of(self, kind: str) -> Codec | None:
        """What a slot of this kind would be sent; None when there is nothing for it."""
        return self.codec if kind == self.kind else None

    def redundant(self, payload_type: int) -> Distribution:
        """The sound with the packets before it in each (RFC 2198), for receivers that lose some.

        ``payload_type`` is what the receiver calls Opus. On the time line of ``distribution``.
        """
        found = self._twice.get(payload_type)
        if found is None:
            log = BatchLog(LOG_BYTES_LIMIT, GOP_PICTURES_LIMIT)
            found = Distribution(log, self._wheel, self.want_keyframe)
            now_s = self._loop.time()
            found.note_time(self.distribution.now_90k(now_s), now_s)
            self._twice[payload_type] = found
        return found

    def want_keyframe(self) -> None:
        """Ask the sender for a keyframe: now, or as soon as :data:`KEYFRAME_INTERVAL_S` allows."""
        if self.kind == "video" and not self.closed:
            self._wants_keyframe = True
            self._ask(self._loop.time())

    @property
    def looked_at(self) -> bool:
        """Whether anybody wants its pictures."""
        return self.distribution.wanted or bool(self._taps)

    @property
    def restless(self) -> bool:
        """Whether a keyframe is wanted and not here: :meth:`turn` is to be called soon."""
        return self._wants_keyframe

    def turn(self, now_s: float) -> None:
        """Ask again for the keyframe that has not come, while anybody looks."""
        if self._wants_keyframe:
            if self.looked_at:
                self._ask(now_s)
            else:
                self._wants_keyframe = False

    def attach(self, tap: Callable[[Group], None]) -> None:
        """Give ``tap`` every group in order, with its holes."""
        self._taps = (*self._taps, tap)
        if self._stopped or not self.distribution.log.joinable:
            self.want_keyframe()

    def detach(self, tap: Callable[[Group], None]) -> None:
        """No more of them."""
        self._taps = tuple(one for one in self._taps if one != tap)

    def note_round_trip(self, milliseconds: float) -> None:
        """How long the sender's answer takes: it is waited for as long as two of them take."""
        if self.kind == "video":
            least_us, most_us = _VIDEO_WAITS_US
            wait_us = min(max(int(milliseconds * 2250), least_us), most_us)
            self.receiver.wait_for(wait_us)

    def receive_rtcp(self, data: bytes, now_us: int) -> bool:
        """See PacketTaker."""
        try:
            packets = rtcp.parse(data)
        except rtcp.RtcpError:
            return False
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                self.receiver.note_sender_report(packet.ntp, now_us)
        return False

    def measure(self, seconds: float) -> None:
        """To be called every second or so: renews ``bitrate_bps``."""
        self.bitrate_bps = int(self._octets * 8 / seconds)
        self._octets = 0

    def restart(self) -> None:
        """What comes next has no relation to what came: the sender was not listened to."""
        self.receiver = self._new_receiver()
        self._offset = None
        self._before.clear()
        self._stop()

    def mute(self) -> None:
        """The sender is not listened to for now."""
        self._wants_keyframe = False
        self.bitrate_bps = 0
        self.distribution.log.end_gop()

    def take(self, group: Group) -> None:
        """A group that somebody else's receiver has made, stamped with our own clock."""
        self._on_group(group)

    def close(self, reason: str) -> None:
        """Nothing more comes; whoever shows it shows nothing. May be called twice."""
        self.closed = True
        self._wants_keyframe = False
        self._taps = ()
        for one in (self.distribution, *self._twice.values()):
            one.close(reason)

    def _new_receiver(self) -> RtpReceiver:
        track = self._track
        video = track.kind == "video"
        is_h264 = track.codec is Codec.H264
        starts = depacketise_h264.starts_picture if is_h264 else vp8.starts_picture
        receiver = RtpReceiver(
            track.payload_type,
            self.clock_rate,
            self._on_group,
            by_packet=not video,
            reordering=True,
            head_bytes=depacketise_h264.HEAD_BYTES if is_h264 else 0,
            starts_picture=starts if video else None,
            reorder_wait_us=_VIDEO_WAIT_US if video else _AUDIO_WAIT_US,
        )
        if video:
            self._reader = H264Pictures(receiver) if is_h264 else Vp8Pictures()
        return receiver

    def _on_group(self, group: Group) -> None:
        self.last_packet_us = group.arrival_us
        for tap in self._taps:
            try:
                tap(group)
            except Exception:
                _log.exception("a source's tap failed, and is given nothing more")
                self.detach(tap)
        if self._reader is None:
            self._forward_sound(group)
        else:
            self._forward_pictures(self._reader, group)

    def _forward_sound(self, group: Group) -> None:
        now_s = self._loop.time()
        timestamp = self._on_line(group, now_s)
        for payload in group.payloads:
            if not 0 < len(payload) <= PAYLOAD_SIZE_LIMIT:
                continue
            runs = runs_of_payloads(((b"", payload),), marker=False)
            self._append(PacketBatch(AUDIO, timestamp, False, runs))
            for payload_type, twice in self._twice.items():
                if twice.wanted:
                    both = redundant_audio.payload(
                        payload_type, timestamp, payload, self._before, PAYLOAD_SIZE_LIMIT
                    )
                    runs = runs_of_payloads(((b"", both),), marker=False)
                    twice.append(PacketBatch(AUDIO, timestamp, False, runs))
            self._before.append((timestamp, payload))
        self.distribution.send()
        line_90k = timestamp * 90000 // self.clock_rate
        for twice in self._twice.values():
            twice.note_time(line_90k, now_s)
            twice.send()

    def _forward_pictures(self, reader: PictureReader, group: Group) -> None:
        found = reader.pictures(group)
        if group.hole or group.after_gap:
            self._stop()
        sent = False
        for picture in found:
            if picture.payloads is None:
                self._stop()
                continue
            if picture.keyframe:
                self._stopped = self._wants_keyframe = False
                self.keyframes += 1
            if self._stopped:
                continue
            now_s = self._loop.time()
            timestamp = self._on_line(group, now_s)
            runs = runs_of_payloads(picture.payloads, marker=True)
            self._append(PacketBatch(VIDEO, timestamp, picture.keyframe, runs))
            self.pictures += 1
            sent = True
        if sent:
            self.distribution.send()
        elif self._stopped and not self._wants_keyframe and self.distribution.wanted:
            self.want_keyframe()

    def _append(self, batch: PacketBatch) -> None:
        self._octets += batch.size
        self.distribution.append(batch)

    def _on_line(self, group: Group, now_s: float) -> int:
        """The group's time on the distribution's line, in the track's clock."""
        if self._offset is None or group.restarted:
            now = self.distribution.now_90k(now_s) * self.clock_rate // 90000
            self._offset = now - group.timestamp
        timestamp = group.timestamp + self._offset
        self.distribution.note_time(timestamp * 90000 // self.clock_rate, now_s)
        return timestamp

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.holes += 1
            self.distribution.log.end_gop()
            if self.looked_at:
                self.want_keyframe()

    def _ask(self, now_s: float) -> None:
        if now_s - self._asked_s >= KEYFRAME_INTERVAL_S:
            self._asked_s = now_s
            self._ask_keyframe()
