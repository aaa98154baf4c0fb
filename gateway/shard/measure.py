"""What a Stream carries, measured as it passes: bit rate, picture rate, keyframe distance."""

from __future__ import annotations

from camera_adapters.stream import AccessUnit, Interruption, Stream, Track

_SMOOTHING = 0.3


class StreamMeasure:
    """A Sink that counts. :meth:`turn` is called every few seconds and makes rates of it."""

    __slots__ = (
        "_bytes",
        "_last_keyframe_90k",
        "_pictures",
        "_running",
        "_turned_s",
        "bitrate_bps",
        "bytes_total",
        "frames_per_second",
        "gop_s",
        "interruptions",
        "keyframe_bytes",
        "pictures_total",
        "tracks",
        "video_index",
    )

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = ()
        self.video_index: int | None = None
        self.bytes_total = 0
        self.pictures_total = 0
        self.keyframe_bytes = 0
        self.bitrate_bps: int | None = None
        self.frames_per_second: float | None = None
        self.gop_s: float | None = None
        self.interruptions = 0
        self._running = False
        self._bytes = 0
        self._pictures = 0
        self._last_keyframe_90k: int | None = None
        self._turned_s: float | None = None

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._running = True
        self.tracks = tracks
        video = (index for index, track in enumerate(tracks) if track.kind == "video")
        self.video_index = next(video, None)
        self._last_keyframe_90k = None

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._bytes += len(unit.payload)
        if unit.track_index == self.video_index:
            self._pictures += 1
            if unit.keyframe:
                self._on_keyframe(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        # Said again with each failed retry, but it is one outage.
        self.interruptions += self._running
        self._running = False
        self.bitrate_bps = self.frames_per_second = self._turned_s = None

    def on_closed(self) -> None:
        """See :class:`camera_adapters.stream.Sink`."""

    def turn(self, stream: Stream, now_s: float) -> None:
        """Make rates of what was counted since the last turn."""
        if stream.running:
            if self._turned_s is not None and now_s > self._turned_s:
                elapsed_s = now_s - self._turned_s
                self.bitrate_bps = round(_smooth(self.bitrate_bps, self._bytes * 8 / elapsed_s))
                rate = _smooth(self.frames_per_second, self._pictures / elapsed_s)
                self.frames_per_second = round(rate, 2)
            self._turned_s = now_s
        self.bytes_total += self._bytes
        self.pictures_total += self._pictures
        self._bytes = self._pictures = 0

    def _on_keyframe(self, unit: AccessUnit) -> None:
        if self._last_keyframe_90k is not None:
            self.gop_s = round((unit.pts_90k - self._last_keyframe_90k) / 90000, 3)
        self._last_keyframe_90k = unit.pts_90k
        self.keyframe_bytes = len(unit.payload)


def _smooth(before: float | None, now: float) -> float:
    return now if before is None else before + (now - before) * _SMOOTHING
