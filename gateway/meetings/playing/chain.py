"""From what is played to what browsers can be shown: as it is where they can, else made anew.

Pictures beneath masks, H.265 and pictures with B-frames go through the transcoder, sound that is no
Opus does; what needs neither is passed on undecoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from camera_adapters.stream import Codec, Stream, Track, Variant
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.masks import Polygons
from gateway.meetings.playing.unpack import needs_transcoder
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.live_variant import LiveVariant, QueuePosition

OnQueue = Callable[[QueuePosition | None], None]


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be made anew of a run, for it to be shown."""

    masks: Polygons
    picture: bool
    sound: bool

    @classmethod
    def of(cls, tracks: tuple[Track, ...], masks: Polygons) -> Needs:
        """Of a run with these tracks, beneath these masks."""
        sound = any(one.kind == "audio" and one.codec is not Codec.OPUS for one in tracks)
        return cls(masks, bool(masks) or needs_transcoder(tracks), sound)


class Chain:
    """Publish to ``base``; ``feed`` is what the meeting is shown. ``on_queue`` is told where it
    waits for a place in the transcoder. To be closed.
    """

    def __init__(
        self,
        name: str,
        needs: Needs,
        output: WebRtcOutput,
        transcoder: TranscoderClient,
        on_queue: OnQueue,
    ) -> None:
        self.needs = needs
        self.base = Stream(name, Variant.MAIN)
        self._output = output
        self._stages: list[LiveVariant] = []
        stream = self.base
        if needs.picture:
            variant = Variant.MASKED if needs.masks else Variant.H264
            stream = self._add(LiveVariant(stream, variant, transcoder, on_queue, needs.masks))
        if needs.sound:
            stream = self._add(LiveVariant(stream, Variant.OPUS, transcoder))
        self.feed = output.claim(stream)

    def _add(self, stage: LiveVariant) -> Stream:
        source = self.base if not self._stages else self._stages[-1].output
        source.attach(stage, replay_gop=False)
        self._stages.append(stage)
        return stage.output

    def close(self) -> None:
        """Nothing of it is shown any more. May be called twice."""
        if self.base.closed:
            return
        self._output.release(self.feed)
        for stage in reversed(self._stages):
            stage.close()
        self.base.close()
