"""Fuzz target: a spool file that holds anything."""

from __future__ import annotations

import contextlib

from recorder import gop_index
from recorder.fmp4.reader import Mp4Error, keyframe_fragment, read_tracks, read_units
from recorder.fmp4.recovery import recover
from tests.recorder.made import SOUND, VIDEO, segment_bytes

_WHOLE, _ENDS = segment_bytes(2)
_WITH_SOUND, _ = segment_bytes(1, tracks=(VIDEO, SOUND))

SEEDS = [_WHOLE, _WITH_SOUND, _WHOLE[: _ENDS[1]], _WHOLE[_ENDS[0] :], _WHOLE[: _ENDS[0]]]


def target(data: bytes) -> None:
    """Only Mp4Error, and what is recovered is consistent and recovers to the same."""
    with contextlib.suppress(Mp4Error):
        read_units(data, (VIDEO, SOUND))
    with contextlib.suppress(Mp4Error):
        keyframe_fragment(data, (VIDEO, SOUND), 9000)
    with contextlib.suppress(Mp4Error):
        read_tracks(data)
    with contextlib.suppress(gop_index.GopIndexError):
        gop_index.unpack(data)
    try:
        found = recover(data)
    except Mp4Error:
        return
    assert found.header_bytes <= found.size_bytes <= len(data)
    total = found.header_bytes + sum(entry.size_bytes for entry in found.entries)
    assert total == found.size_bytes
    again = recover(data[: found.size_bytes])
    assert again.entries == found.entries
