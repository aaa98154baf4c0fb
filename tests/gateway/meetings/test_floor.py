"""Who is shown to everybody, and the history that becomes a recording's chapters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.floor import (
    Claims,
    FloorHistory,
    OnAir,
    Poll,
    Turn,
    next_in_turn,
    poll,
    program_order,
)

_SITES = st.sampled_from("abcdef")
_CLAIMS = st.builds(
    Claims,
    called=st.none() | _SITES,
    pinned=st.none() | st.tuples(_SITES, st.sampled_from(["camera", "screen"])),
    screen=st.none() | _SITES,
    polled=st.none() | _SITES,
    floor=st.lists(_SITES, max_size=3).map(tuple),
    speaking=st.none() | _SITES,
    chair=st.none() | _SITES,
)


def test_the_chairs_decisions_come_before_who_happens_to_speak() -> None:
    claims = Claims(pinned=("a", "camera"), floor=("b",), speaking="c", chair="d")
    assert [(one.participant_id, one.cause) for one in program_order(claims, "abcd")] == [
        ("a", "pinned"),
        ("b", "floor"),
        ("c", "speaker"),
        ("d", "chair"),
    ]


def test_of_several_with_the_floor_the_one_who_speaks_is_shown() -> None:
    claims = Claims(floor=("a", "b"), speaking="b")
    assert [one.participant_id for one in program_order(claims, "ab")] == ["b", "a"]


def test_a_shared_screen_does_not_hide_the_face_of_who_shares_it() -> None:
    order = program_order(Claims(screen="a", floor=("a",)), "a")
    assert [(one.participant_id, one.picture) for one in order] == [
        ("a", "screen"),
        ("a", "camera"),
    ]


@given(_CLAIMS, st.sets(_SITES))
def test_only_the_present_are_shown_and_each_picture_once(claims: Claims, here: set[str]) -> None:
    order = program_order(claims, here)
    pictures = [(one.participant_id, one.picture) for one in order]
    assert len(set(pictures)) == len(pictures)
    assert {one.participant_id for one in order} <= here


def test_turns_end_where_the_next_begin() -> None:
    history = FloorHistory()
    a, b = OnAir("a", "camera", "floor"), OnAir("b", "camera", "speaker")
    assert history.put(a, 10) is None
    assert history.put(OnAir("a", "camera", "pinned"), 15) is None
    assert history.put(b, 20) == Turn(a, 10, 20)
    assert history.put(None, 30) == Turn(b, 20, 30)
    assert history.put(None, 40) is None


@given(
    st.lists(
        st.tuples(
            st.none()
            | st.builds(
                OnAir,
                _SITES,
                st.sampled_from(["camera", "screen"]),
                st.sampled_from(["floor", "pinned"]),
            ),
            st.integers(0, 1000),
        )
    )
)
def test_a_history_never_overlaps_even_when_the_clock_is_set_back(
    puts: list[tuple[OnAir | None, int]],
) -> None:
    history = FloorHistory()
    for on_air, at_us in puts:
        before = history.current
        ended = history.put(on_air, at_us)
        if ended is not None:
            assert before is not None and ended.end_us is not None
            # No two turns share a moment: it tells one from the next in the rows.
            assert ended.start_us == before.start_us < ended.end_us
            assert history.current is None or history.current.start_us == ended.end_us


def test_a_history_goes_on_behind_what_was_written_before_the_clock_was_set_back() -> None:
    history = FloorHistory(1000)
    history.put(OnAir("a", "camera", "floor"), 5)
    assert history.current is not None and history.current.start_us == 1001


def test_a_round_goes_on_from_where_it_is() -> None:
    here = {"a", "b", "c"}
    first = poll(None, "abc", here, 10, 0)
    assert first == Poll("a", 0)
    assert poll(first, "abc", here, 10, 9) == first
    second = poll(first, "abc", here, 10, 10)
    assert second == Poll("b", 10)
    # Who leaves in their turn makes room at once, and the round closes.
    assert poll(second, "abc", {"a", "c"}, 10, 12) == Poll("c", 12)
    assert poll(Poll("c", 12), "abc", {"a"}, 10, 22) == Poll("a", 22)


@given(
    st.lists(_SITES, unique=True, min_size=1),
    st.lists(st.sets(_SITES), min_size=1, max_size=30),
)
def test_a_round_shows_only_the_present(order: list[str], moments: list[set[str]]) -> None:
    turn = None
    for at_us, here in enumerate(moments):
        turn = poll(turn, order, here, 3, at_us)
        assert turn.participant_id is None or turn.participant_id in here
        assert (turn.participant_id is None) == (not here & set(order))


@given(st.sets(_SITES, min_size=1))
def test_a_round_reaches_everybody_who_stays(here: set[str]) -> None:
    order = sorted(here)
    turn, shown = None, set()
    for at_us in range(len(order) * 2):
        turn = poll(turn, order, here, 1, at_us)
        shown.add(turn.participant_id)
    assert shown == here


@given(st.lists(_SITES, unique=True, min_size=1), st.sets(_SITES))
def test_who_is_said_to_be_next_is_next(order: list[str], here: set[str]) -> None:
    turn = poll(None, order, here, 5, 0)
    said = next_in_turn(turn, order, here)
    after = poll(turn, order, here, 5, 5).participant_id
    assert after == (said if said is not None else turn.participant_id)
    assert said is None or said != turn.participant_id
