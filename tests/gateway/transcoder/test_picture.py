from __future__ import annotations

import io

import av
import numpy as np
import pytest

from camera_adapters.stream import AccessUnit
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.picture import jpeg_at


def gray(jpeg: bytes) -> np.ndarray:
    with av.open(io.BytesIO(jpeg), format="mjpeg") as opened:
        return next(opened.decode(video=0)).to_ndarray(format="gray").astype(np.float64)


def originals(path, count: int) -> list[np.ndarray]:
    with av.open(str(path)) as opened:
        frames = opened.decode(video=0)
        return [next(frames).to_ndarray(format="gray").astype(np.float64) for _ in range(count)]


@pytest.mark.parametrize("clip_name", ["h264", "h265"])
@pytest.mark.parametrize(("at_90k", "index"), [(0, 0), (8999, 0), (9000, 1), (100_000, 11)])
def test_the_picture_is_the_one_shown_at_that_instant(request, clip_name, at_90k, index) -> None:
    clip = request.getfixturevalue(clip_name)
    made = gray(jpeg_at(clip.track, clip.units[:20], at_90k=at_90k))
    errors = [np.mean((made - other) ** 2) for other in originals(clip.path, 20)]
    assert int(np.argmin(errors)) == index
    assert 10 * np.log10(255**2 / errors[index]) > 30


def test_width_scales_down_and_never_up(h264) -> None:
    assert gray(jpeg_at(h264.track, h264.units[:1], width=320)).shape == (240, 320)
    assert gray(jpeg_at(h264.track, h264.units[:1], width=9999)).shape == (576, 768)


def test_without_a_picture_there_is_an_error(h264) -> None:
    with pytest.raises(TranscodeError):
        jpeg_at(h264.track, [])
    with pytest.raises(TranscodeError):
        jpeg_at(h264.track, [AccessUnit(0, b"\0\0\0\x04abcd", 0, 0, True, 0)])
