"""``camera test``: one line each for what can be wrong."""

from __future__ import annotations

import pytest

from camera_adapters.rtsp.probe import probe
from tests.peers.misbehaving_camera import Habits, MisbehavingCamera


@pytest.mark.parametrize(
    ("habits", "code", "line"),
    [
        (Habits(statuses={"DESCRIBE": 404}), "not_found", "(404"),
        (Habits(password="x"), "refused", "(401)"),
        (Habits(description=b"v=0\r\nm=audio 0 RTP/AVP 0\r\n"), "no_video", "no video track"),
        (Habits(pictures=0), "no_keyframe", "sends no video"),
        (Habits(raw_describe=b""), "timed_out", "does not answer"),
        (Habits(pictures=1, then="close"), "lost", "closed the connection"),
    ],
    ids=["404", "401", "no video", "no picture", "no answer", "lost"],
)
async def test_what_can_be_wrong(habits: Habits, code: str, line: str) -> None:
    if habits.then == "close":
        # It hangs up before a picture is complete.
        habits.pictures = 0
    async with MisbehavingCamera(habits) as camera:
        result = await probe(camera.url, timeout_s=0.5)
    assert not result.ok
    assert (result.code, line in result.line) == (code, True), result.line
    assert "\n" not in result.line


async def test_a_good_camera_by_tcp_and_by_udp() -> None:
    for habits in (Habits(), Habits(tcp=False)):
        async with MisbehavingCamera(habits) as camera:
            result = await probe(camera.url)
        assert result.ok and result.video is not None
        assert (result.video.width, result.video.height) == (768, 576)


async def test_a_name_and_a_port(free_port: int) -> None:
    assert (await probe("rtsp://no-such-camera.invalid/")).code == "unresolved"
    assert (await probe(f"rtsp://127.0.0.1:{free_port}/x")).code == "closed_port"
    assert (await probe("10.0.0.1")).code == "bad_address"


async def test_the_password_is_not_in_the_line() -> None:
    async with MisbehavingCamera(Habits(password="right")) as camera:
        result = await probe(camera.url.replace("//", "//user:topsecret@"))
    assert result.code == "refused"
    assert "topsecret" not in repr(result)
