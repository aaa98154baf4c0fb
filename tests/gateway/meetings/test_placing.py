"""At which shard somebody sits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.placing import seat_at
from tests.gateway.meetings.a_county import Rows

SHARDS = [f"shard-{number}" for number in range(1, 5)]
HOME = SHARDS[0]


def test_people_sit_at_home_until_it_is_full() -> None:
    assert seat_at(HOME, None, {HOME: 1, "shard-2": 0}, 2) == HOME
    assert seat_at(HOME, None, {HOME: 2, "shard-2": 0}, 2) == "shard-2"


def test_then_at_the_shard_with_the_fewest() -> None:
    assert seat_at(HOME, None, {HOME: 2, "shard-3": 1, "shard-2": 1, "shard-4": 0}, 2) == "shard-4"
    assert seat_at(HOME, None, {HOME: 2, "shard-3": 1, "shard-2": 1}, 2) == "shard-2"


def test_who_comes_again_sits_where_they_sat() -> None:
    assert seat_at(HOME, "shard-2", {HOME: 0, "shard-2": 1}, 2) == "shard-2"


def test_nobody_is_turned_away_where_all_are_full() -> None:
    assert seat_at(HOME, None, {HOME: 3, "shard-2": 2}, 2) == "shard-2"
    assert seat_at(HOME, None, {HOME: 2, "shard-2": 2}, 2) == HOME
    assert seat_at(HOME, "shard-2", {HOME: 2, "shard-2": 3}, 2) == "shard-2"


def test_who_sat_at_a_shard_that_is_gone_is_seated_anew() -> None:
    assert seat_at(HOME, "shard-2", {HOME: 2, "shard-3": 0}, 2) == "shard-3"


# Joins, leaves, and shards that are lost and come back, as (what, who or which).
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.integers(0, 15)),
        st.tuples(st.just("leave"), st.integers(0, 15)),
        st.tuples(st.just("lose"), st.integers(1, 3)),
        st.tuples(st.just("return"), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(_STEPS, st.integers(1, 5))
def test_whatever_comes_and_goes_no_shard_is_overfull_and_nobody_moves_without_a_reason(
    steps: list[tuple[str, int]], limit: int
) -> None:
    living = set(SHARDS)
    seated: dict[int, str] = {}
    last: dict[int, str] = {}
    for what, which in steps:
        if what == "join":
            filled = dict.fromkeys(sorted(living), 0)
            for who, shard in seated.items():
                if who != which:
                    filled[shard] += 1
            shard = seat_at(HOME, last.get(which), filled, limit)
            assert shard in living
            # Never over the limit while another has room.
            assert filled[shard] < limit or min(filled.values()) >= limit
            before = last.get(which)
            if before in living and shard != before:
                assert filled[before] >= limit
            seated[which] = last[which] = shard
        elif what == "leave":
            seated.pop(which, None)
        elif what == "lose":
            living.discard(SHARDS[which])
            seated = {who: at for who, at in seated.items() if at in living}
        else:
            living.add(SHARDS[which])
    # As many as can be told apart from the seats' rows, and no more.
    assert set(seated.values()) <= living


def test_the_rows_count_who_sits_in_all_meetings_and_who_is_on_the_way(rows: Rows) -> None:
    first, second = rows.called(), rows.called()
    a, b = rows.invite(first, "a", "b")
    (c,) = rows.invite(second, "c")
    for meeting_id in (first, second):
        rows.write("meetings.start", meeting_id=meeting_id, shard=HOME)

    def joins(meeting_id: str, who: str, session_id: str) -> str:
        seated = rows.write(
            "meetings.join", meeting_id=meeting_id, participant_id=who, session_id=session_id,
            viewing=None, records=[], shards=[HOME, "shard-2"], sites_per_shard=1,
        )  # fmt: skip
        return str(seated["shard"])

    assert joins(first, a, "one") == HOME
    # Somebody with a ticket has a seat, in whichever meeting.
    assert joins(second, c, "two") == "shard-2"
    assert joins(first, a, "three") == HOME
    assert joins(first, b, "four") == HOME
    # The meeting goes on where some of it sat: they sit at home from now on.
    rows.write("meetings.move", meeting_id=second, shard="shard-2", gone=HOME)
    assert rows.participant(c).shard is None
    rows.write("meetings.end", meeting_id=first, reason="chair")
    assert {rows.participant(one).shard for one in (a, b)} == {None}
