"""A section that a site sends: its sources, whether they are taken, and how loud it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import PublishedSection
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.header_extensions import audio_level

SILENT_DBOV = 127
_SMOOTHING = 8
"""At 50 packets a second: 160 ms."""
_SILENT_AFTER_US = 600_000
"""A sender that says nothing in silence (Opus DTX) still sends a packet every 400 ms."""


class Publication:
    """See the module. ``layers`` maps the names of qualities to sources, as they appear.

    ``accepted`` set False: what comes is dropped right behind decryption, nothing reaches a log,
    and nobody is heard to be loud.
    """

    __slots__ = (
        "_accepted",
        "_heard_us",
        "_layers",
        "_level",
        "_now_us",
        "_on_accepted",
        "_section",
        "_voice",
    )

    def __init__(
        self,
        section: PublishedSection,
        now_us: Callable[[], int],
        on_accepted: Callable[[Publication], None],
    ) -> None:
        self._section = section
        self._now_us = now_us
        self._on_accepted = on_accepted
        self._layers: dict[str, Source] = {}
        self._accepted = True
        self._level = float(SILENT_DBOV)
        self._voice = False
        self._heard_us = 0

    @property
    def section(self) -> PublishedSection:
        """What was agreed on."""
        return self._section

    @property
    def mid(self) -> str:
        """The section's name."""
        return self._section.track.mid

    @property
    def kind(self) -> str:
        """``audio`` or ``video``."""
        return self._section.track.kind

    @property
    def codec(self) -> Codec:
        """What is sent."""
        return self._section.track.codec

    @property
    def layers(self) -> Mapping[str, Source]:
        """By rid, "" without simulcast."""
        return MappingProxyType(self._layers)

    @property
    def accepted(self) -> bool:
        """Whether anything is taken."""
        return self._accepted

    @accepted.setter
    def accepted(self, accepted: bool) -> None:
        if accepted != self._accepted:
            self._accepted = accepted
            self._level, self._voice = float(SILENT_DBOV), False
            self._on_accepted(self)

    @property
    def level_dbov(self) -> int:
        """How far below the loudest it is: 0 loud, 127 silent (RFC 6464 §3), smoothed."""
        return SILENT_DBOV if self._is_silent() else round(self._level)

    @property
    def voice(self) -> bool:
        """Whether the sender holds it for a voice."""
        return self._voice and not self._is_silent()

    def add(self, source: Source) -> None:
        """A quality has appeared."""
        self._layers[source.rid] = source

    def hear(self, packet: bytes) -> None:
        """Take the loudness of an authentic packet."""
        found = audio_level(packet, self._section.level_extension)
        if found is not None and self._accepted:
            now_us = self._now_us()
            if self._is_silent(now_us):
                self._level = float(SILENT_DBOV)
            level, self._voice = found
            self._level += (level - self._level) / _SMOOTHING
            self._heard_us = now_us

    def _is_silent(self, now_us: int | None = None) -> bool:
        return (now_us or self._now_us()) - self._heard_us > _SILENT_AFTER_US
