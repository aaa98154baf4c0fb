"""What waits is bounded, the oldest groups of pictures go first, and nothing goes untold."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.analysis.mailboxes import DROPPED, Mailboxes, Missed

SECOND = 1_000_000
LIMIT = 1_000


def unit(at_s: float, size: int = 10, *, keyframe: bool = False) -> list[Any]:
    return [0, b"x" * size, 0, 0, keyframe, round(at_s * SECOND)]


def boxes(bytes_limit: int = LIMIT, age_s: float = 60) -> Mailboxes:
    return Mailboxes(
        bytes_of_camera=bytes_limit, bytes_limit=10 * LIMIT, age_us=round(age_s * SECOND)
    )


def gop(start_s: float, pictures: int = 5, size: int = 10) -> list[list[Any]]:
    return [unit(start_s + n * 0.2, size, keyframe=n == 0) for n in range(pictures)]


def test_what_is_put_in_comes_out_in_order() -> None:
    made = boxes()
    made.put_run("cam", ["h264"])
    assert made.put_units("cam", gop(0)) == []
    taken = made.take("cam", 3)
    assert [kind for kind, _ in taken] == ["run", "unit", "unit", "unit"]
    assert [item[5] for kind, item in taken[1:]] == [0, 200_000, 400_000]
    assert len(made.take("cam", 10)) == 2
    assert made.waiting() == [] and made.bytes == 0


def test_over_its_bytes_whole_groups_go_the_oldest_first_and_are_told() -> None:
    made = boxes(bytes_limit=120)
    missed = made.put_units("cam", [*gop(0), *gop(1), *gop(2)])
    assert missed == [Missed("cam", 0, SECOND, DROPPED)]
    taken = made.take("cam", 100)
    assert taken[0] == ("break", None)
    assert [item[5] for kind, item in taken[1:]] == [
        at for start in (1, 2) for at in range(start * SECOND, (start + 1) * SECOND, 200_000)
    ]
    assert made.dropped_units == 5


def test_what_is_too_old_goes() -> None:
    made = boxes(age_s=10)
    missed = [one for at in range(0, 30, 2) for one in made.put_units("cam", gop(at))]
    assert missed[0] == Missed("cam", 0, 2 * SECOND, DROPPED)
    oldest = made.box("cam")
    assert oldest is not None and oldest.oldest_us is not None
    assert 28.8 * SECOND - oldest.oldest_us <= 10 * SECOND


def test_the_rest_of_a_group_whose_beginning_went_is_missed_too() -> None:
    made = boxes(bytes_limit=35)
    missed = made.put_units("cam", gop(0))
    missed += made.put_units("cam", gop(1, pictures=2))
    assert missed[0].start_us == 0 and missed[-1].end_us == SECOND
    for one, following in itertools.pairwise(missed):
        assert following.start_us - one.end_us <= 200_000
    assert [item[5] for kind, item in made.take("cam", 9) if kind == "unit"] == [
        SECOND, SECOND + 200_000,
    ]  # fmt: skip


def test_a_picture_larger_than_all_that_may_wait_is_still_looked_at() -> None:
    made = boxes(bytes_limit=50)
    assert made.put_units("cam", [unit(0, 500, keyframe=True)]) == []
    assert len(made.take("cam", 1)) == 1


def test_who_waits_longest_is_first_and_all_share_what_there_is() -> None:
    made = boxes()
    made.put_units("late", gop(5))
    made.put_units("early", gop(1))
    assert made.waiting() == ["early", "late"]


def test_a_camera_that_is_switched_off_says_what_was_not_looked_at() -> None:
    made = boxes()
    made.put_units("cam", gop(3))
    gone = made.forget("cam")
    assert gone is not None
    assert (gone.start_us, gone.end_us) == (3 * SECOND, 3_800_001)
    assert made.forget("cam") is None


coming = st.lists(
    st.one_of(
        st.tuples(st.just("unit"), st.booleans(), st.integers(1, 400)),
        st.just(("run", False, 0)),
        st.just(("end", False, 0)),
        st.tuples(st.just("take"), st.just(False), st.integers(0, 6)),
    ),
    max_size=120,
)


@given(coming)
def test_every_picture_is_looked_at_or_told_as_missed_and_memory_is_bounded(steps: Any) -> None:
    made = boxes(bytes_limit=700, age_s=5)
    put: list[int] = []
    looked: list[int] = []
    missed: list[Missed] = []
    fresh = True
    needs_keyframe = True

    def check(items: list[tuple[str, Any]]) -> None:
        nonlocal needs_keyframe
        for kind, item in items:
            if kind == "break":
                needs_keyframe = True
            elif kind == "unit":
                # After a break the next picture can be decoded.
                assert not needs_keyframe or item[4]
                needs_keyframe = False
                looked.append(item[5])

    for number, (kind, keyframe, size) in enumerate(steps):
        at_us = number * 300_000
        if kind == "run":
            made.put_run("cam", [])
            fresh = True
        elif kind == "end":
            made.put_end("cam")
            fresh = True
        elif kind == "take":
            check(made.take("cam", size))
        else:
            # A run begins with a keyframe.
            keyframe = keyframe or fresh
            fresh = False
            put.append(at_us)
            missed += made.put_units("cam", [[0, b"x" * size, 0, 0, keyframe, at_us]])
            box = made.box("cam")
            assert box is not None
            assert box.bytes <= 700 or box.units == 1
    check(made.take("cam", 1_000))
    assert made.bytes == 0
    assert looked == sorted(looked)
    for at_us in set(put) - set(looked):
        assert any(one.start_us <= at_us < one.end_us for one in missed)
