"""The arithmetic of ranges: what overlaps, what a page holds, which bytes were asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from gateway.footage.hls import media_playlist
from gateway.footage.parts import wanted_part
from gateway.footage.playback_index import (
    INDEX_SPAN_LIMIT_US,
    Range,
    build_index,
    fragments_in,
    keyframes_in,
    page_of,
)
from gateway.footage.reader import Located, settled
from recorder import gop_index
from recorder.gop_index import FragmentEntry
from recorder.segments import Run, Segment

RUN = Run("run", "cam/main", 1, 1, 0, 'video/mp4; codecs="avc1.64001f"', "h264", None, 64, 48,
          (90000,), b"")  # fmt: skip

times = st.integers(0, 10_000_000_000)
ranges = st.builds(lambda start, length: Range(start, start + length), times, times)


def segment(number: int, start_us: int, lengths: list[tuple[int, bool]], clip: int = 0) -> Located:
    entries = []
    at_90k = offset = 0
    for length_90k, keyframe in lengths:
        entries.append(FragmentEntry(at_90k, length_90k, offset, 100, 40 if keyframe else 0))
        at_90k += length_90k
        offset += 100
    end_us = start_us + at_90k * 100 // 9
    made = Segment(
        f"seg{number}", "cam/main", "run", 1, 1, start_us, end_us,
        min(start_us + clip, end_us), end_us, 0, "key", offset, 50, b"", gop_index.pack(entries),
        "stored", False,
    )  # fmt: skip
    return Located(made, RUN, None, made.fragments())


def held(number: int, epoch: int, start_us: int, end_us: int, state: str) -> Located:
    made = Segment(
        f"seg{number}", "cam/main", "run", epoch, number, start_us, end_us,
        start_us, end_us, 0, "key", 100, 50, b"", b"", state, False,
    )  # type: ignore[arg-type]  # fmt: skip
    return Located(made, RUN, "shard-1" if state == "open" else None, [])


def shown(items: list[Located]) -> list[tuple[str, int | None, int | None]]:
    return [
        (one.segment.id, one.segment.effective_start_us, one.segment.effective_end_us)
        for one in items
    ]


def test_what_two_shards_hold_while_a_camera_moves_is_shown_once() -> None:
    items = [
        held(1, 1, 0, 60, "stored"),
        held(2, 1, 60, 110, "open"),
        held(3, 2, 100, 130, "open"),
    ]
    opened = [one.segment for one in items if one.segment.state == "open"]
    assert shown(settled(items, opened)) == [("seg1", 0, 60), ("seg2", 60, 100), ("seg3", 100, 130)]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 50), st.integers(1, 30)), max_size=6),
    st.integers(1, 6),
)
def test_no_moment_is_shown_twice_and_the_newest_epoch_whole(
    facts: list[tuple[int, int, int]], stored: int
) -> None:
    # What is stored never overlaps: here it comes before everything that is open.
    items = [held(n, 1, 10 * n - 100, 10 * n - 90, "stored") for n in range(stored)]
    first = len(items)
    for number, (epoch, start_us, length_us) in enumerate(facts, start=first):
        items.append(held(number, epoch, start_us, start_us + length_us, "open"))
    opened = [one.segment for one in items[first:]]
    found = settled(items, opened)
    ends = [one.segment.effective_end_us or 0 for one in found]
    starts = [one.segment.effective_start_us or 0 for one in found]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    if opened:
        best = max(opened, key=lambda one: (one.epoch, one.ordinal))
        assert (best.id, best.start_us, best.end_us) in shown(found)


@st.composite
def histories(draw: st.DrawFn) -> list[Located]:
    at_us = draw(times)
    items = []
    for number in range(draw(st.integers(0, 5))):
        at_us += draw(st.sampled_from([0, 0, 500_000, 60_000_000]))
        lengths = draw(
            st.lists(st.tuples(st.integers(1, 200_000), st.booleans()), min_size=1, max_size=6)
        )
        item = segment(number, at_us, lengths, draw(st.sampled_from([0, 0, 700_000])))
        items.append(item)
        at_us = item.segment.end_us
    return items


@given(ranges, ranges)
def test_clipping_is_what_both_hold(one, other) -> None:
    clipped = one.clipped(other)
    for at in (one.start_us, one.end_us - 1, other.start_us, other.end_us - 1):
        inside = one.meets(at, at + 1) and other.meets(at, at + 1)
        assert clipped.meets(at, at + 1) == inside
    assert (
        clipped.empty == (not one.meets(other.start_us, other.end_us)) or other.empty or one.empty
    )


@given(st.builds(lambda s, n: Range(s, s + n), times, st.integers(1, 100 * INDEX_SPAN_LIMIT_US)))
def test_pages_cover_the_range_once(wanted) -> None:
    at: int | None = wanted.start_us
    pages = 0
    while at is not None and pages < 200:
        page, following = page_of(Range(at, wanted.end_us))
        assert page.start_us == at
        assert 0 < page.end_us - page.start_us <= INDEX_SPAN_LIMIT_US
        assert following in (None, page.end_us)
        at = following
        pages += 1
    assert at is None
    assert page.end_us == wanted.end_us


@given(histories(), ranges)
def test_every_overlapping_fragment_is_there_and_no_other(items, wanted) -> None:
    found = {(item.segment.id, fragment.number) for item, fragment in fragments_in(items, wanted)}
    for item in items:
        visible = Range(item.segment.effective_start_us, item.segment.effective_end_us)
        visible = visible.clipped(wanted)
        for fragment in item.fragments:
            end_us = fragment.start_us + max(1, fragment.duration_us)
            overlaps = not visible.empty and visible.meets(fragment.start_us, end_us)
            assert ((item.segment.id, fragment.number) in found) == overlaps


@given(histories(), ranges, st.integers(1, 10))
def test_keyframes_are_in_order_and_no_more_than_asked_for(items, wanted, limit) -> None:
    found = keyframes_in(items, wanted, limit)
    assert len(found) <= limit
    assert found == sorted(found, key=lambda item: item["us"])
    by_id = {item.segment.id: item for item in items}
    assert all(by_id[f["segment_id"]].fragments[f["number"]].keyframe_bytes for f in found)


@given(histories(), ranges)
def test_the_index_has_one_entry_in_each_column_for_each_fragment(items, wanted) -> None:
    document = build_index(items, wanted, [], None)
    lengths = {len(column) for column in document["fragments"].values()}
    assert len(lengths) == 1
    assert all(0 <= of < len(document["runs"]) for of in document["fragments"]["run"])


@given(histories(), ranges)
def test_a_playlist_has_each_fragment_at_most_once_and_begins_with_keyframes(items, wanted) -> None:
    lines = media_playlist(items, wanted, None).splitlines()
    ranges_ = [line.split(":")[1] for line in lines if line.startswith("#EXT-X-BYTERANGE")]
    uris = [line for line in lines if line.startswith("../segments/")]
    assert len(ranges_) == len(uris)
    seen: set[tuple[str, int]] = set()
    by_id = {item.segment.id: item for item in items}
    for byte_range, uri in zip(ranges_, uris, strict=True):
        length, offset = map(int, byte_range.split("@"))
        item = by_id[uri.split("/")[2]]
        inside = [f for f in item.fragments if offset <= f.offset < offset + length]
        assert inside[0].keyframe_bytes
        assert sum(f.size_bytes for f in inside) == length
        for fragment in inside:
            assert (item.segment.id, fragment.number) not in seen
            seen.add((item.segment.id, fragment.number))


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    scope = {"type": "http", "headers": [(b"range", header.encode("latin-1"))]}
    part = wanted_part(Request(scope), size, "tag")
    return None if part is None else (part.start, part.end)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**12))
def test_byte_ranges_as_http_defines_them(first, last, size) -> None:
    found = byte_range(f"bytes={first}-{last}", size)
    if first > last or first >= size:
        assert found is None
    else:
        assert found == (first, min(last + 1, size))
    assert byte_range(f"bytes={first}-", size) == ((first, size) if first < size else None)
    suffix = byte_range(f"bytes=-{last}", size)
    assert suffix == ((max(0, size - last), size) if last else None)


@given(st.text(max_size=30).filter(lambda text: text.isascii()), st.integers(1, 10**12))
def test_any_other_range_header_is_the_whole_or_nothing(header, size) -> None:
    found = byte_range(header, size)
    assert found is None or 0 <= found[0] < found[1] <= size


def test_an_absurd_range_is_answered_with_the_whole() -> None:
    assert byte_range(f"bytes={'9' * 5000}-", 10) == (0, 10)
