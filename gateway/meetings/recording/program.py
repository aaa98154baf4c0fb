"""The program of a meeting as a Stream: pictures and sound of whoever is on, undecoded.

A change of picture waits for a keyframe of the new source, so that what was recorded plays; until
then the old picture goes on, as it does on everybody's screen. Time never goes back. Where there is
sound and no picture the Stream shows a card; where there is neither, it is interrupted and says so.
Where nobody says anything the sound is silence: a player waits for a track that has a hole.
"""

from __future__ import annotations

from camera_adapters.codecs.opus import SILENCE, SILENCE_US, duration_us
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.pictures import Picture
from camera_adapters.stream import Codec, GapCause, Interruption, Stream, Track
from camera_adapters.stream_runs import StreamRuns
from gateway.meetings.recording.card import card
from gateway.meetings.recording.feeds import (
    Pictures,
    Recordable,
    StreamVoice,
    VoiceFeed,
    pictures_of,
    voice_of,
)

SOUND = Track("audio", Codec.OPUS, 48_000, channels=2)

# How long a picture that is on the program no more may stand in for the next.
PATIENCE_US = 3_000_000
# A camera that sends no picture for so long has none.
SILENT_US = 3_000_000
# Participants send keyframes when asked only: without any a recording could not be entered.
KEYFRAME_EVERY_US = 10_000_000
_ASK_AGAIN_US = 1_000_000
_CARD_EVERY_US = 1_000_000
# Between packets of sound: a sender that is silent sends one each 400 ms (RFC 7587 §3.1.3).
_PAUSE_US = 60_000
_LATE_US = 600_000
# Between pictures of two sources whose times overlap.
_STEP_US = 1_000
_SQUEEZE = 200


class ProgramStream:
    """Feeds ``stream``. Tell it what is on by :meth:`show` and :meth:`hear`; call :meth:`turn`
    some times a second.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.pictures = 0
        self._runs = StreamRuns(
            stream, Codec.H264, CameraClock(), audio_tracks=(SOUND,), on_run=self._on_run
        )
        self._shown: Pictures | None = None
        self._next: Pictures | None = None
        self._next_since_us = 0
        self._leaving_us = 0
        self._voice: VoiceFeed | StreamVoice | None = None
        self._why = Interruption(GapCause.NOT_SCHEDULED, "nobody was on the program")
        self._on_card = False
        self._card_us = 0
        self._picture_us = 0
        self._sound_us = 0
        # Until when the run has sound.
        self._sound_end_us = 0
        self._keyframe_us = 0
        self._line_us = 0
        # Pictures of the present source before this are squeezed: the last had filled that time.
        self._floor_us = 0
        self._first_line_us = 0
        self._closed = False

    @property
    def showing(self) -> object:
        """Whose picture is recorded at this moment; None for the card, and for nothing."""
        return None if self._shown is None or self._on_card else self._shown.source

    def show(self, source: Recordable | Stream | None, why: Interruption, now_us: int) -> None:
        """This picture is on the program from its next keyframe on; None: there is none, or none
        yet. ``why`` is the cause of the gap where nothing comes.
        """
        self._why = why
        if source is None:
            self._drop_next()
            self._leaving_us = self._leaving_us or now_us
            return
        self._leaving_us = 0
        if self._shown is not None and self._shown.source is source:
            self._drop_next()
        elif self._next is None or self._next.source is not source:
            self._drop_next()
            self._next = pictures_of(source, self._on_picture)
            self._next_since_us = now_us
            self._next.begin(now_us)

    def drop(self, source: Stream) -> None:
        """Nothing more of this, neither picture nor sound, whatever comes of it or in its place."""
        if self._next is not None and self._next.source is source:
            self._drop_next()
        if self._shown is not None and self._shown.source is source:
            self._end_shown()
        if self._voice is not None and self._voice.source is source:
            self.hear(None)

    def hear(self, source: Recordable | Stream | None) -> None:
        """This sound is on the program from now on."""
        if (self._voice.source if self._voice is not None else None) is source:
            return
        if self._voice is not None:
            self._voice.close()
        self._voice = None if source is None else voice_of(source, self._on_sound)

    def turn(self, now_us: int) -> None:
        """Ask for keyframes, put up the card, say that nothing comes."""
        waiting = self._next
        if waiting is not None and now_us - waiting.asked_us >= _ASK_AGAIN_US:
            waiting.want_keyframe(now_us)
        shown = self._shown
        if shown is not None and not self._on_card:
            if now_us - self._picture_us > SILENT_US:
                self._wait_for(shown, now_us)
            elif now_us - self._outdated_us(now_us) > PATIENCE_US:
                self._end_shown()
            elif now_us - max(self._keyframe_us, shown.asked_us) >= KEYFRAME_EVERY_US or (
                not self._runs.running and now_us - shown.asked_us >= _ASK_AGAIN_US
            ):
                shown.want_keyframe(now_us)
        if self._shown is None:
            self._without_picture(now_us)
        self._fill_silence(now_us - _LATE_US)

    def want_keyframe(self, now_us: int) -> None:
        """Somebody who watches the Stream cannot go on without one."""
        if self._shown is not None:
            self._shown.want_keyframe(now_us)

    def close(self) -> None:
        """Let go of all sources; the Stream is its owner's to close."""
        self._closed = True
        self._drop_next()
        self._end_shown()
        self.hear(None)
        self._runs.close()

    def _on_picture(self, feed: Pictures, picture: Picture, line_us: int) -> None:
        if feed is self._next:
            if picture.damaged or not picture.keyframe:
                return
            self._switch(feed, picture, line_us)
        elif feed is not self._shown:
            return
        if picture.damaged:
            self._runs.drop(picture.keyframe)
            feed.want_keyframe(line_us)
            return
        self._file(picture, line_us, now_us=line_us)
        self.pictures += 1
        self._picture_us = line_us

    def _switch(self, feed: Pictures, picture: Picture, line_us: int) -> None:
        if self._shown is not None:
            self._shown.close()
        self._shown, self._next = feed, None
        self._on_card = False
        # Those that it sent while it was waited for count as well.
        picture.parameter_sets = list(feed.sets)
        self._begin_source(line_us)

    def _begin_source(self, line_us: int) -> None:
        self._floor_us = self._line_us + _STEP_US if self._line_us else 0
        self._first_line_us = line_us

    def _file(self, picture: Picture, line_us: int, now_us: int) -> None:
        if line_us < self._floor_us:
            line_us = self._floor_us + max(0, line_us - self._first_line_us) // _SQUEEZE
        self._line_us = max(self._line_us, line_us)
        if picture.keyframe:
            self._keyframe_us = now_us
        self._runs.picture(picture, line_us)

    def _on_sound(self, payload: bytes, line_us: int) -> None:
        self._sound_us = line_us
        if self._shown is None and not self._on_card:
            # Sound that nothing can be seen of: the card makes a run for it.
            self._without_picture(line_us)
        if line_us - self._sound_end_us > _PAUSE_US:
            self._fill_silence(line_us)
        self._runs.sound(payload, line_us)
        self._sound_end_us = max(self._sound_end_us, line_us + duration_us(payload))

    def _on_run(self) -> None:
        # Its first picture is the one that is being filed.
        self._sound_end_us = max(self._sound_end_us, self._line_us)

    def _fill_silence(self, until_us: int) -> None:
        if not self._runs.running:
            return
        while self._sound_end_us + SILENCE_US <= until_us:
            self._runs.sound(SILENCE, self._sound_end_us)
            self._sound_end_us += SILENCE_US

    def _without_picture(self, now_us: int) -> None:
        if now_us - self._sound_us <= SILENT_US:
            if not self._on_card or now_us - self._card_us >= _CARD_EVERY_US:
                if not self._on_card:
                    self._begin_source(now_us)
                self._on_card = True
                self._card_us = now_us
                self._file(card(), now_us, now_us)
        elif self._runs.running or self.stream.interruption != self._why:
            self._on_card = False
            self._runs.end_run()
            self.stream.interrupt(self._why)

    def _outdated_us(self, now_us: int) -> int:
        """Since when the picture that is shown is not the one that is on."""
        if self._leaving_us:
            return self._leaving_us
        return now_us if self._next is None else self._next_since_us

    def _wait_for(self, feed: Pictures, now_us: int) -> None:
        """The picture has stopped: it may come back, by a keyframe."""
        self._shown = None
        if self._next is None:
            self._next, self._next_since_us = feed, now_us
            feed.want_keyframe(now_us)
        else:
            feed.close()

    def _end_shown(self) -> None:
        if self._shown is not None:
            self._shown.close()
            self._shown = None

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.close()
            self._next = None
