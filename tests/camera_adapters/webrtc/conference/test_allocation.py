"""What the network can take goes to sound first, then to pictures by weight."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.webrtc.conference.allocation import SOUND_BPS, Wish, allocate

LAYERS = (("l", 150_000), ("m", 500_000), ("h", 1_500_000))


def test_without_a_limit_everybody_gets_the_best() -> None:
    assert allocate([Wish("video", LAYERS), Wish("audio", (("", 32_000),))], None) == ["h", ""]


def test_the_speaker_is_served_first_and_the_others_keep_their_thumbnails() -> None:
    wishes = [Wish("video", LAYERS[:1]) for _ in range(3)] + [Wish("video", LAYERS, weight=1)]
    assert allocate(wishes, 2_100_000) == ["l", "l", "l", "h"]
    assert allocate(wishes, 1_000_000) == ["l", "l", "l", "m"]
    assert allocate(wishes, 320_000) == ["l", None, None, "l"]


def test_sound_is_kept_when_pictures_cannot_be() -> None:
    wishes = [Wish("video", LAYERS), Wish("audio", (("", 0),)), Wish("audio", (("", 40_000),))]
    assert allocate(wishes, 60_000) == [None, "", ""]
    assert allocate(wishes, 0) == [None, "", ""]
    assert allocate(wishes, 150_000 + SOUND_BPS + 40_000) == ["l", "", ""]


def test_a_wish_without_layers_gets_nothing() -> None:
    assert allocate([Wish("video", ()), Wish("audio", ())], None) == [None, None]
    assert allocate([Wish("video", ()), Wish("audio", ())], 1_000_000) == [None, None]


layers = st.lists(st.integers(1, 3_000_000), max_size=3, unique=True).map(
    lambda rates: tuple((f"q{index}", rate) for index, rate in enumerate(sorted(rates)))
)
wishes = st.lists(
    st.builds(Wish, st.sampled_from(("audio", "video")), layers, st.integers(0, 3)), max_size=30
)


@given(wishes, st.integers(0, 20_000_000))
def test_pictures_never_take_more_than_sound_leaves(given: list[Wish], limit_bps: int) -> None:
    chosen = allocate(given, limit_bps)
    cost = {"audio": 0, "video": 0}
    for wish, rid in zip(given, chosen, strict=True):
        if rid is not None:
            cost[wish.kind] += dict(wish.layers)[rid]
        if wish.kind == "audio":
            assert (rid is None) == (not wish.layers)
    assert cost["video"] <= max(0, limit_bps - cost["audio"])


@given(wishes, st.integers(0, 20_000_000), st.integers(0, 5_000_000))
def test_with_more_room_the_first_in_line_is_not_lost(
    given: list[Wish], limit_bps: int, more_bps: int
) -> None:
    pictures = [index for index, one in enumerate(given) if one.kind == "video" and one.layers]
    if not pictures:
        return
    first = min(pictures, key=lambda index: (-given[index].weight, index))
    before, after = allocate(given, limit_bps), allocate(given, limit_bps + more_bps)
    assert before[first] is None or after[first] is not None
