"""Voice to GStreamer's RTSP server."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from camera_adapters import sdp
from camera_adapters.rtp.tracks import NoVideoError
from camera_adapters.rtsp.backchannel import (
    A_LAW_TO_MU_LAW,
    BackchannelError,
    choose_backchannel,
    open_backchannel,
)
from camera_adapters.rtsp.url import parse_camera_url
from camera_adapters.stream import Codec
from tests.peers.ffmpeg_sender import free_port

_PEERS = Path(__file__).resolve().parents[2] / "peers"


@pytest.fixture
def loudspeaker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    heard = tmp_path / "heard"
    command = ["/usr/bin/python3", str(_PEERS / "gstreamer_backchannel.py"), str(heard)]
    process = subprocess.Popen([*command, request.param], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "GStreamer's RTSP server did not start"
        yield url, heard
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("loudspeaker", ["PCMA", "PCMU"], indirect=True)
async def test_what_is_said_is_heard(
    request: pytest.FixtureRequest, loudspeaker: tuple[str, Path]
) -> None:
    url, heard = loudspeaker
    channel = await open_backchannel(parse_camera_url(url), None)
    said = bytes(range(256)) * 25
    for start in range(0, len(said), 100):
        channel.send(said[start : start + 100])
        await asyncio.sleep(0.005)
    async with asyncio.timeout(20):
        while len(await asyncio.to_thread(heard.read_bytes)) < len(said) // 2:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    channel.close()
    assert channel.ended.done()
    law = request.node.callspec.params["loudspeaker"]
    expected = said if law == "PCMA" else said.translate(A_LAW_TO_MU_LAW)
    # The server may throw the very first packets away.
    assert heard.read_bytes()[-512:] in expected


async def test_a_camera_that_is_not_there_is_said() -> None:
    with pytest.raises(BackchannelError) as refused:
        await open_backchannel(parse_camera_url(f"rtsp://127.0.0.1:{free_port()}/x"), None)
    assert refused.value.code == "unreachable"


def _described(*sections: str) -> sdp.SessionDescription:
    return sdp.parse(("v=0\n" + "\n".join(sections) + "\n").encode())


def test_a_law_goes_before_mu_law_and_other_sound_is_named() -> None:
    video = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=recvonly"
    voice = "m=audio 0 RTP/AVP 0 8\na=control:back\na=sendonly"
    (plan,) = choose_backchannel(_described(video, voice))
    assert (plan.codec, plan.control) == (Codec.PCMA, "back")
    with pytest.raises(NoVideoError, match="no back channel"):
        choose_backchannel(_described(video))
    g726 = "m=audio 0 RTP/AVP 97\na=rtpmap:97 G726-32/8000\na=sendonly"
    with pytest.raises(NoVideoError, match="G726-32"):
        choose_backchannel(_described(video, g726))


def test_one_law_becomes_the_other_as_ffmpeg_has_it() -> None:
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "alaw", "-ar", "8000", "-ac", "1", "-i", "pipe:0",
         "-f", "mulaw", "pipe:1"],
        input=bytes(range(256)), capture_output=True, check=True,
    )  # fmt: skip
    theirs = np.frombuffer(done.stdout, np.uint8).astype(int)
    ours = np.frombuffer(A_LAW_TO_MU_LAW, np.uint8).astype(int)
    # Neighbouring steps at most: who rounds half a step up and who down may differ.
    assert np.abs(theirs - ours).max() <= 1
