"""What a speech recogniser has to be, for meetings to have subtitles; and how it is found.

The gateway brings none. One is a Python package that is installed beside it and names a factory
under the entry point group ``gridsight.recognisers``, or any importable ``package.module:factory``.
It runs in a process of its own: it may block, take its time, and die, and no meeting suffers.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, cast

GROUP = "gridsight.recognisers"
SAMPLE_RATE = 16_000
TEXT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody said from ``at_us`` to ``end_us``, by the times that came with the sound. Until
    it is ``final`` a later line with the same ``at_us`` takes its place.
    """

    at_us: int
    end_us: int
    text: str
    final: bool = True


class Recogniser(Protocol):
    """One for all speakers of a media process. Calls come one at a time."""

    def hear(self, speaker: str, at_us: int, samples: bytes) -> Iterable[Line]:
        """Some sound of one who is heard: signed 16-bit little-endian samples, mono, 16 kHz, from
        ``at_us`` (UTC microseconds) on; give the lines that are ready. Sound follows on sound until
        :meth:`leave`; where it does not quite, nothing was said in between.
        """

    def leave(self, speaker: str) -> Iterable[Line]:
        """This one is heard no more, for now: give what is left of what they said."""


Factory = Callable[[Mapping[str, str]], Recogniser]
"""Makes one of ``meetings.subtitles.options``. May raise; the log says so."""


def find_recogniser(name: str) -> Factory:
    """The factory of that name, or ``package.module:factory``. Raises LookupError: what to do."""
    module, colon, attribute = name.partition(":")
    if colon:
        try:
            return cast("Factory", getattr(importlib.import_module(module), attribute))
        except (ImportError, AttributeError) as error:
            raise LookupError(f"meetings.subtitles.recogniser: no {name}: {error}") from None
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = ", ".join(sorted(entry_points(group=GROUP).names)) or "none"
        raise LookupError(
            f"meetings.subtitles.recogniser: {name!r} is not installed; what is: {known}"
        )
    return cast("Factory", next(iter(found)).load())
