"""Which rendering a client is given."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.live import ClientAbilities, choose

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
