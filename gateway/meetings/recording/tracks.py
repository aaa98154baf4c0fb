"""The separate tracks of a meeting: one voice, or one participant's picture, as Streams of its own.

Recorded only while everybody hears the voice: what was said into a muted microphone is in no
recording.
"""

from __future__ import annotations

from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream
from camera_adapters.stream_runs import StreamRuns
from gateway.meetings.recording.feeds import (
    Pictures,
    Recordable,
    StreamVoice,
    VoiceFeed,
    pictures_of,
    voice_of,
)
from gateway.meetings.recording.program import KEYFRAME_EVERY_US, SOUND

_ASK_AGAIN_US = 1_000_000
# Sound that pauses for longer (no packet at all) goes on in a new run.
_PAUSE_US = 2_000_000
# Pictures that pause for longer while another source is awaited have left a hole.
_HOLE_US = 500_000
_NO_SOUND = Interruption(GapCause.CAMERA_SILENT, "the microphone was on and sent nothing")
_NO_PICTURE = Interruption(GapCause.CAMERA_SILENT, "the camera was on and sent no picture")


class VoiceStream:
    """Feeds ``stream`` with one microphone's sound."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._feed: VoiceFeed | StreamVoice | None = None
        self._run_us = 0
        self._last_us = 0
        self._last_90k = -1

    @property
    def source(self) -> object:
        """What is recorded; None while nothing is."""
        return None if self._feed is None else self._feed.source

    def hear(self, source: Recordable | Stream) -> None:
        """Record this from now on."""
        if self.source is not source:
            self._let_go()
            self._feed = voice_of(source, self._on_sound)

    def stop(self, why: Interruption) -> None:
        """Record no more of it for now; the gap has this cause."""
        self._let_go()
        self.stream.interrupt(why)

    def _let_go(self) -> None:
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _on_sound(self, payload: bytes, line_us: int) -> None:
        # A microphone that was unmuted may count its time anew.
        line_us = max(line_us, self._last_us + 1)
        if not self.stream.running or line_us - self._last_us > _PAUSE_US:
            if self.stream.running:
                self.stream.interrupt(_NO_SOUND)
            self._run_us, self._last_90k = line_us, -1
            self.stream.start_run((SOUND,))
        self._last_us = line_us
        self._last_90k = max((line_us - self._run_us) * 9 // 100, self._last_90k + 1)
        at_90k = self._last_90k
        self.stream.publish(AccessUnit(0, payload, at_90k, at_90k, True, line_us))


class PictureStream:
    """Feeds ``stream`` with one participant's pictures. Call :meth:`turn` some times a second."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._runs = StreamRuns(stream, Codec.H264, CameraClock())
        self._feed: Pictures | None = None
        # Awaited: it is recorded from its first keyframe on, until then the one before.
        self._coming: Pictures | None = None
        self._keyframe_us = 0
        self._last_us = 0

    @property
    def source(self) -> object:
        """What is recorded, or as soon as its keyframe comes; None while nothing is."""
        feed = self._coming or self._feed
        return None if feed is None else feed.source

    def show(self, source: Recordable | Stream, now_us: int) -> None:
        """Record this from its next keyframe on; until then what is recorded now goes on."""
        if self.source is source:
            return
        self._await(None)
        if self._feed is not None and self._feed.source is source:
            return
        self._await(pictures_of(source, self._on_picture))
        if self._coming is not None:
            self._coming.begin(now_us)

    def stop(self, why: Interruption) -> None:
        """Record no more of it for now; the gap has this cause."""
        self._let_go()
        self.stream.interrupt(why)

    def turn(self, now_us: int) -> None:
        """Ask for the keyframes by which a recording is entered."""
        feed = self._coming or self._feed
        if feed is None:
            return
        entered = self._runs.running and self._coming is None
        every_us = KEYFRAME_EVERY_US if entered else _ASK_AGAIN_US
        if now_us - max(self._keyframe_us, feed.asked_us) >= every_us:
            feed.want_keyframe(now_us)

    def _let_go(self) -> None:
        self._await(None)
        if self._feed is not None:
            self._feed.close()
            self._feed = None
            self._runs.end_run()

    def _await(self, feed: Pictures | None) -> None:
        if self._coming is not None:
            self._coming.close()
        self._coming = feed

    def _take_over(self, feed: Pictures, line_us: int) -> None:
        former, self._feed, self._coming = self._feed, feed, None
        if former is None:
            return
        former.close()
        self._runs.end_run()
        if line_us - self._last_us > _HOLE_US:
            self.stream.interrupt(_NO_PICTURE)

    def _on_picture(self, feed: Pictures, picture: Picture, line_us: int) -> None:
        if feed is self._coming and picture.keyframe and not picture.damaged:
            self._take_over(feed, line_us)
        if feed is not self._feed:
            return
        if picture.damaged:
            self._runs.drop(picture.keyframe)
            feed.want_keyframe(line_us)
            return
        if picture.keyframe:
            self._keyframe_us = line_us
            picture.parameter_sets = list(feed.sets)
        self._runs.picture(picture, line_us)
        self._last_us = line_us
