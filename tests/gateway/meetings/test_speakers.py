"""Who is heard: three microphones at most, nobody cut off, the floor and the chair first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.speakers import HEARD_LIMIT, Hearing, Level, Speakers, seats

_TICK_MS = 100
_SILENCE, _SPEECH = Level(127, voice=False), Level(25)
_OTHERS = dict.fromkeys("xyz", _SILENCE)


def _say(
    speakers: Speakers,
    levels: dict[str, Level],
    ticks: int,
    at_ms: int,
    always: tuple[str, ...] = (),
) -> tuple[Hearing, int]:
    hearing = speakers.hearing
    for _ in range(ticks):
        hearing = speakers.hear(levels, always, at_ms)
        at_ms += _TICK_MS
    return hearing, at_ms


def test_who_has_the_floor_is_heard_before_the_first_word() -> None:
    speakers = Speakers()
    hearing, _ = _say(speakers, {"chair": _SILENCE, "a": _SILENCE}, 1, 0, ("a", "chair"))
    assert hearing == Hearing(("a", "chair"), (), None)


def test_where_there_is_room_for_all_no_first_syllable_is_lost() -> None:
    speakers = Speakers()
    hearing, at_ms = _say(speakers, dict.fromkeys("abc", _SILENCE), 1, 0)
    assert hearing == Hearing(("a", "b", "c"), (), None)
    hearing, _ = _say(speakers, dict.fromkeys("abcd", _SILENCE), 1, at_ms)
    assert hearing.heard == ()


def test_a_cough_does_not_make_a_speaker_but_a_sentence_does() -> None:
    speakers = Speakers()
    hearing, at_ms = _say(speakers, {**_OTHERS, "a": _SPEECH}, 2, 0)
    assert hearing.heard == ()
    hearing, at_ms = _say(speakers, {**_OTHERS, "a": _SILENCE}, 20, at_ms)
    assert hearing.heard == ()
    hearing, at_ms = _say(speakers, {**_OTHERS, "a": _SPEECH}, 6, at_ms)
    assert (hearing.heard, hearing.active) == (("a",), "a")


def test_a_pause_to_breathe_ends_nothing() -> None:
    speakers = Speakers()
    _, at_ms = _say(speakers, {**_OTHERS, "a": _SPEECH}, 10, 0)
    hearing, at_ms = _say(speakers, {**_OTHERS, "a": _SILENCE}, 8, at_ms)
    assert hearing.speaking == ("a",)
    hearing, at_ms = _say(speakers, {**_OTHERS, "a": _SILENCE}, 20, at_ms)
    assert hearing.speaking == () and hearing.heard == ("a",) and hearing.active == "a"
    hearing, at_ms = _say(speakers, {**_OTHERS, "a": _SILENCE}, 40, at_ms)
    assert hearing.heard == ()


def test_noise_that_is_no_voice_takes_nobodys_place() -> None:
    speakers = Speakers()
    hearing, _ = _say(speakers, {**_OTHERS, "fan": Level(20, voice=False)}, 50, 0)
    assert hearing == Hearing()


def test_a_fourth_voice_waits_until_one_of_three_is_silent() -> None:
    speakers = Speakers()
    three = dict.fromkeys("abc", _SPEECH)
    hearing, at_ms = _say(speakers, three, 10, 0)
    assert set(hearing.heard) == set("abc")
    hearing, at_ms = _say(speakers, {**three, "d": Level(10)}, 30, at_ms)
    assert set(hearing.heard) == set("abc")
    hearing, at_ms = _say(
        speakers, {"a": _SPEECH, "b": _SPEECH, "c": _SILENCE, "d": Level(10)}, 25, at_ms
    )
    assert set(hearing.heard) == set("abd")


def test_the_picture_moves_only_to_who_is_clearly_louder_for_a_while() -> None:
    speakers = Speakers()
    _, at_ms = _say(speakers, {"a": Level(30), "b": _SILENCE}, 10, 0)
    hearing, at_ms = _say(speakers, {"a": Level(30), "b": Level(27)}, 50, at_ms)
    assert hearing.active == "a"
    hearing, at_ms = _say(speakers, {"a": Level(30), "b": Level(15)}, 4, at_ms)
    assert hearing.active == "a"
    hearing, at_ms = _say(speakers, {"a": Level(30), "b": Level(15)}, 10, at_ms)
    assert hearing.active == "b"


_LEVELS = st.dictionaries(
    st.sampled_from("abcdefg"), st.builds(Level, st.integers(0, 127), st.booleans()), max_size=7
)


@given(
    st.lists(
        st.tuples(_LEVELS, st.lists(st.sampled_from("abcdefg"), max_size=4).map(tuple)),
        max_size=60,
    )
)
def test_whoever_must_not_be_heard_is_not_from_that_moment_on(
    moments: list[tuple[dict[str, Level], tuple[str, ...]]],
) -> None:
    speakers = Speakers()
    for turn, (levels, always) in enumerate(moments):
        hearing = speakers.hear(levels, always, turn * _TICK_MS)
        assert len(hearing.heard) == len(set(hearing.heard)) <= HEARD_LIMIT
        assert set(hearing.heard) <= levels.keys() and set(hearing.speaking) <= levels.keys()
        assert hearing.active is None or hearing.active in levels
        entitled = [one for one in dict.fromkeys(always) if one in levels][:HEARD_LIMIT]
        assert list(hearing.heard[: len(entitled)]) == entitled


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), unique=True, max_size=3)),
    st.integers(0, 3),
)
def test_a_voice_keeps_its_slot_while_it_is_heard(
    moments: list[list[str]], slot_count: int
) -> None:
    free = [f"s{number}" for number in range(slot_count)]
    seated: dict[str, str] = {}
    for heard in moments:
        now = seats(seated, free, heard)
        assert set(now) <= set(heard) and len(now) == min(len(heard), slot_count)
        assert len(set(now.values())) == len(now)
        assert all(now[one] == seated[one] for one in seated.keys() & now.keys())
        seated = now
