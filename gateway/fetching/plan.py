"""Which stretches of gaps to fetch: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence

from recorder.intervals import Interval, subtract

# A gap may have been cut short by a keyframe: what is shorter is not worth a session.
SHORTEST_US = 2_000_000
# Long gaps are fetched in pieces, so that a broken session costs one of them.
LONGEST_US = 1_800_000_000
# The device may still be writing the last of it.
SETTLED_US = 30_000_000
FIRST_WAIT_US = 60_000_000
LONGEST_WAIT_US = 6 * 3_600_000_000
TRIES_LIMIT = 8

# Why footage is missing that the device may have all the same.
FETCHED_CAUSES = (
    "camera_offline",
    "camera_silent",
    "bad_media",
    "disk_slow",
    "gateway_stopped",
    "store_down",
)


def stretches(
    gaps: Sequence[Interval], known: Sequence[Interval], oldest_us: int, newest_us: int
) -> list[Interval]:
    """What of a camera's gaps, between ``oldest_us`` and ``newest_us``, no row says anything of
    yet: pieces of half an hour at most, in order of time.
    """
    wanted: list[Interval] = []
    for start_us, end_us in gaps:
        clipped = (max(start_us, oldest_us), min(end_us, newest_us - SETTLED_US))
        if clipped[1] <= clipped[0]:
            continue
        for piece_start, piece_end in subtract(clipped, known):
            at_us = piece_start
            while piece_end - at_us >= SHORTEST_US:
                next_us = min(piece_end, at_us + LONGEST_US)
                if piece_end - next_us < SHORTEST_US:
                    next_us = piece_end
                wanted.append((at_us, next_us))
                at_us = next_us
    return sorted(wanted)


def next_try_us(tries: int, now_us: int) -> int | None:
    """When a stretch is tried again that failed ``tries`` times; None: not any more."""
    if tries >= TRIES_LIMIT:
        return None
    wait_us: int = min(FIRST_WAIT_US * 2**tries, LONGEST_WAIT_US)
    return now_us + wait_us
