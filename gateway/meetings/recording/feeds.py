"""What a participant sends, taken out of RTP for recording: pictures, and sound, on a time line.

Sans-I/O: groups come in by a tap, pictures and packets of sound go out to whoever made the feed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from camera_adapters.rtp.clocks import TrackClock
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.pictures import Picture
from camera_adapters.rtp.video_groups import VideoGroups
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track
from camera_adapters.stream_runs import merge_parameter_sets

PICTURE_CLOCK_RATE = 90_000
SOUND_CLOCK_RATE = 48_000

Tap = Callable[[Group], None]
OnPicture = Callable[["Pictures", Picture, int], None]
"""Told of the feed, the picture, and when it was taken, in µs on the shard's clock."""
OnSound = Callable[[bytes, int], None]
"""Told of the packet, and when it begins."""


class Recordable(Protocol):
    """One RTP source of a participant: a quality of a picture, or a microphone.

    Taps are given whole groups, in order: of a picture's packets, or of one packet of sound.
    """

    @property
    def codec(self) -> Codec:
        """What it sends."""

    def attach(self, tap: Tap) -> None:
        """Give ``tap`` every group from now on."""

    def detach(self, tap: Tap) -> None:
        """No more; an unknown tap is ignored."""

    def want_keyframe(self) -> None:
        """Ask the sender for a keyframe; may be called as often as one likes."""


class Pictures(Protocol):
    """What gives pictures, in decoding order, from :meth:`begin` until :meth:`close`.

    ``sets`` are the parameter sets that came so far: a keyframe may lean on earlier ones.
    ``asked_us`` is when :meth:`want_keyframe` was called last.
    """

    source: object
    sets: tuple[bytes, ...]
    asked_us: int

    def begin(self, now_us: int) -> None:
        """Give pictures, beginning with a keyframe: one is asked for. Some may come at once."""

    def want_keyframe(self, now_us: int) -> None:
        """Ask the sender for one."""

    def close(self) -> None:
        """Nothing comes out of it any more."""


class _Markers:
    """Whether a picture ends at a marker bit. Browsers and encoders of meetings set it right."""

    ends_on_marker = True


class PictureFeed:
    """A participant's pictures: see :class:`Pictures`."""

    def __init__(self, source: Recordable, on_picture: OnPicture) -> None:
        self.source: object = source
        self.sets: tuple[bytes, ...] = ()
        self.asked_us = 0
        self._on_picture = on_picture
        self._clock = TrackClock(PICTURE_CLOCK_RATE)
        self._groups = VideoGroups(H264Depacketiser(), _Markers())
        self._closed = False
        self._sender = source

    def begin(self, now_us: int) -> None:
        """See :class:`Pictures`."""
        self._sender.attach(self._take)
        self.want_keyframe(now_us)

    def want_keyframe(self, now_us: int) -> None:
        """See :class:`Pictures`."""
        self.asked_us = now_us
        self._sender.want_keyframe()

    def close(self) -> None:
        """See :class:`Pictures`."""
        self._closed = True
        self._sender.detach(self._take)

    def _take(self, group: Group) -> None:
        if group.restarted:
            self._clock.restart()
        for picture in self._groups.pictures(group):
            # Whoever takes a picture may close the feed, in the middle of a group.
            if self._closed:
                return
            if picture.parameter_sets:
                self.sets = merge_parameter_sets(Codec.H264, self.sets, picture.parameter_sets)
            line_us = self._clock.line_us(group.timestamp, group.arrival_us)
            self._on_picture(self, picture, line_us)


class VoiceFeed:
    """One microphone's packets of Opus, each with the instant at which it begins."""

    def __init__(self, source: Recordable, on_sound: OnSound) -> None:
        self.source: object = source
        self._sender = source
        self._on_sound = on_sound
        self._clock = TrackClock(SOUND_CLOCK_RATE)
        self._closed = False
        source.attach(self._take)

    def close(self) -> None:
        """Nothing comes out of it any more."""
        self._closed = True
        self._sender.detach(self._take)

    def _take(self, group: Group) -> None:
        if group.restarted:
            self._clock.restart()
        for payload in group.payloads:
            if payload and not self._closed:
                self._on_sound(payload, self._clock.line_us(group.timestamp, group.arrival_us))


class StreamPictures:
    """The pictures of a camera of the gateway that takes part: see :class:`Pictures`."""

    def __init__(self, stream: Stream, on_picture: OnPicture) -> None:
        self.source: object = stream
        self.sets: tuple[bytes, ...] = ()
        self.asked_us = 0
        self._stream = stream
        self._on_picture = on_picture
        self._index = -1
        self._closed = False

    def begin(self, now_us: int) -> None:
        """See :class:`Pictures`: the GOP that is under way comes first."""
        self.asked_us = now_us
        self._stream.attach(self)

    def want_keyframe(self, now_us: int) -> None:
        """See :class:`Pictures`."""
        self.asked_us = now_us
        self._stream.want_keyframe()

    def close(self) -> None:
        """See :class:`Pictures`."""
        self._closed = True
        self._stream.detach(self)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See Sink."""
        self._index = _index_of(tracks, Codec.H264)
        self.sets = () if self._index < 0 else tracks[self._index].parameter_sets

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See Sink."""
        if unit.track_index != self._index or self._closed:
            return
        sets = list(self.sets) if unit.keyframe else []
        picture = Picture(unit.payload, unit.keyframe, sets, False)
        self._on_picture(self, picture, unit.wall_us)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See Sink: the next run begins with a keyframe."""

    def on_closed(self) -> None:
        """See Sink."""


class StreamVoice:
    """The sound of a camera of the gateway, where it is Opus."""

    def __init__(self, stream: Stream, on_sound: OnSound) -> None:
        self.source: object = stream
        self._stream = stream
        self._on_sound = on_sound
        self._index = -1
        self._closed = False
        stream.attach(self, replay_gop=False)

    def close(self) -> None:
        """Nothing comes out of it any more."""
        self._closed = True
        self._stream.detach(self)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See Sink."""
        self._index = _index_of(tracks, Codec.OPUS)

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See Sink."""
        if unit.track_index == self._index and not self._closed:
            self._on_sound(unit.payload, unit.wall_us)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See Sink."""

    def on_closed(self) -> None:
        """See Sink."""


def _index_of(tracks: tuple[Track, ...], codec: Codec) -> int:
    return next((index for index, track in enumerate(tracks) if track.codec is codec), -1)


def pictures_of(source: Recordable | Stream, on_picture: OnPicture) -> Pictures:
    """The pictures of a participant, or of a camera."""
    if isinstance(source, Stream):
        return StreamPictures(source, on_picture)
    return PictureFeed(source, on_picture)


def voice_of(source: Recordable | Stream, on_sound: OnSound) -> VoiceFeed | StreamVoice:
    """The sound of a participant, or of a camera."""
    return (
        StreamVoice(source, on_sound) if isinstance(source, Stream) else VoiceFeed(source, on_sound)
    )
