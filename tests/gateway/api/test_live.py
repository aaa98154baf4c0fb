"""Which rendering a client is given."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.live import ClientAbilities, asked_quality, choose

H264 = {"codec": "h264", "has_b_frames": False}
B_FRAMES = {"codec": "h264", "has_b_frames": True}
H265 = {"codec": "h265", "has_b_frames": False}

BROWSER = ClientAbilities()
MODERN = ClientAbilities(webrtc_h265=True, mse_h265=True)
NO_WEBRTC = ClientAbilities(webrtc=False)

streams = st.sampled_from([{}, H264, B_FRAMES, H265])
clients = st.builds(
    ClientAbilities, webrtc=st.booleans(), webrtc_h265=st.booleans(), mse_h265=st.booleans()
)


def pick(
    main: dict[str, Any], sub: dict[str, Any] | None, quality: Any, client: ClientAbilities
) -> tuple[str, str, bool]:
    states = {"main": main} | ({"sub": sub} if sub is not None else {})
    choice = choose(states, quality, client, sub is not None)
    return choice.variant, choice.transport, choice.transcoded


def test_plain_h264_goes_as_it_is() -> None:
    assert pick(H264, H264, "main", BROWSER) == ("main", "webrtc", False)
    assert pick(H264, H264, "sub", BROWSER) == ("sub", "webrtc", False)
    assert pick(H264, None, "sub", BROWSER) == ("main", "webrtc", False)


def test_b_frames_take_the_sub_stream_by_webrtc_and_go_untouched_by_mse() -> None:
    assert pick(B_FRAMES, H264, "main", BROWSER) == ("sub", "webrtc", False)
    assert pick(B_FRAMES, None, "main", BROWSER) == ("h264", "webrtc", True)
    assert pick(B_FRAMES, None, "main", NO_WEBRTC) == ("main", "mse", False)


def test_h265_goes_where_the_browser_plays_it() -> None:
    assert pick(H265, H264, "main", MODERN) == ("main", "webrtc", False)
    assert pick(H265, H264, "main", BROWSER) == ("sub", "webrtc", False)
    assert pick(H265, H265, "main", BROWSER) == ("h264", "webrtc", True)
    assert pick(H265, None, "main", NO_WEBRTC) == ("h264", "mse", True)


@given(streams, st.none() | streams, st.sampled_from(["main", "sub", "auto"]), clients)
def test_the_choice_always_plays(
    main: dict[str, Any], sub: dict[str, Any] | None, quality: Any, client: ClientAbilities
) -> None:
    variant, transport, transcoded = pick(main, sub, quality, client)
    assert (transport == "webrtc") == client.webrtc
    if transcoded:
        assert variant == "h264"
        return
    chosen = main if variant == "main" else sub
    assert chosen is not None
    if transport == "webrtc":
        assert not chosen.get("has_b_frames")
        assert chosen.get("codec") != "h265" or client.webrtc_h265
    else:
        assert chosen.get("codec") != "h265" or client.mse_h265


SIZES: dict[str, dict[str, Any]] = {"main": {"height": 1080}, "sub": {"height": 360}}


def test_a_small_tile_takes_the_sub_stream_and_a_large_one_the_main_stream() -> None:
    assert asked_quality(SIZES, "auto", 240, True) == "sub"
    assert asked_quality(SIZES, "auto", 540, True) == "sub"  # enlarged by half: still fine
    assert asked_quality(SIZES, "auto", 541, True) == "main"


def test_what_somebody_chose_is_not_chosen_for_them() -> None:
    assert asked_quality(SIZES, "sub", 2160, True) == "sub"
    assert asked_quality(SIZES, "main", 100, True) == "main"
    assert asked_quality(SIZES, "auto", None, True) == "auto"
    assert asked_quality(SIZES, "auto", 2160, False) == "auto"


def test_a_main_stream_that_is_no_larger_gains_nothing() -> None:
    same: dict[str, dict[str, Any]] = {"main": {"height": 360}, "sub": {"height": 360}}
    assert asked_quality(same, "auto", 2160, True) == "sub"
    assert asked_quality({}, "auto", 2160, True) == "auto"
