"""``gridsight camera test``: for whatever is wrong, one line that says what, and what to do."""

from __future__ import annotations

import pytest

from tests.peers.misbehaving_camera import Habits, MisbehavingCamera
from tests.peers.running_gateway import gridsight

SOUND_ONLY = b"v=0\r\nm=audio 0 RTP/AVP 0\r\n"


async def said(url: str) -> str:
    """Its one line."""
    status, output = await gridsight("camera", "test", url)
    assert status == 1, output
    assert output.count("\n") == 1, output
    return output


@pytest.mark.parametrize(
    ("habits", "wrong", "to_do"),
    [
        (Habits(password="x"), "wants a user name and password (401)", "check both"),
        (Habits(statuses={"DESCRIBE": 403}), "forbids", "allow the user to watch"),
        (Habits(statuses={"DESCRIBE": 404}), "nothing at this path (404", "look the path up"),
        (Habits(description=SOUND_ONLY), "no video track", "address of its video stream"),
        (Habits(pictures=0), "sends no video in 10 s", "firewall"),
        (Habits(keyframes=False), "no keyframe in 10 s", "keyframe interval to 2 s"),
    ],
    ids=["401", "403", "404", "no video", "no picture", "no keyframe"],
)
async def test_what_a_camera_does_wrong(habits: Habits, wrong: str, to_do: str) -> None:
    async with MisbehavingCamera(habits) as camera:
        line = await said(camera.url)
    assert wrong in line
    assert to_do in line


async def test_what_is_wrong_on_the_way(free_port: int) -> None:
    line = await said("rtsp://u:s3cret@camera.invalid/1")
    assert "camera.invalid does not resolve: check its spelling" in line
    assert "s3cret" not in line
    line = await said(f"rtsp://127.0.0.1:{free_port}/1")
    assert f"port {free_port} of 127.0.0.1 is closed: 554 is usual" in line


async def test_a_good_camera_shows_its_format() -> None:
    async with MisbehavingCamera() as camera:
        status, output = await gridsight("camera", "test", camera.url)
    assert (status, output) == (0, "h264 768x576 at 10 pictures a second, no sound\n")


async def test_a_wrong_address_is_said_before_anything_is_tried() -> None:
    assert "the address begins with rtsp://" in await said("ftp://127.0.0.1/1")
    assert "a number from 1 to 65535" in await said("rtsp://127.0.0.1:99999/1")
