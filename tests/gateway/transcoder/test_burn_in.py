"""What is masked is in no pixel of the picture; what is written can be read."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transcoder.burn_in import covered_cells, draw
from gateway.transcoder.glyphs import EM, draw_line
from gateway.transcoder.picture import jpeg_at
from gateway.transcoder.video import VideoTranscoder, open_decoder, packet_of
from tests.peers.masked_pictures import LEFT_HALF, decode, hides_left_half

HALF = LEFT_HALF["points"]
share = st.floats(0, 1, allow_nan=False)


def noise(width: int, height: int, pixel_format: str = "yuv420p") -> VideoFrame:
    values = np.random.default_rng(7).integers(0, 255, (height, width, 3), np.uint8)
    return VideoFrame.from_ndarray(values, format="rgb24").reformat(format=pixel_format)


def planes(picture: VideoFrame) -> list[np.ndarray]:
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in picture.planes
    ]


@pytest.mark.parametrize("size", [(64, 48), (66, 50), (1920, 1080)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "nv12", "yuv420p10le"])
def test_nothing_of_what_is_masked_is_left_in_brightness_or_colour(
    size: tuple[int, int], pixel_format: str
) -> None:
    width, height = size
    drawn = draw(noise(width, height, pixel_format), [HALF], [])
    assert (drawn.width, drawn.height) == size
    for plane in planes(drawn):
        left = plane[:, : plane.shape[1] // 2]
        assert left.min() == left.max()
        assert plane[:, -8:].std() > 0


@settings(max_examples=60)
@given(st.lists(st.tuples(share, share), min_size=3, max_size=8), st.integers(3, 90))
def test_a_mask_covers_at_least_what_its_outline_encloses(
    corners: list[tuple[float, float]], size: int
) -> None:
    width, height = size * 2 + 1, size + 3
    cells = covered_cells(width, height, (tuple(corners),))
    # Every corner, and every point inside a triangle of three that follow one another, if the
    # mask is that triangle.
    for x, y in corners:
        column = min(int(x * width / 2), cells.shape[1] - 1)
        assert cells[min(int(y * height / 2), cells.shape[0] - 1), column]
    if len(corners) == 3:
        (x1, y1), (x2, y2), (x3, y3) = corners
        for a, b in ((0.2, 0.2), (0.3, 0.6), (0.1, 0.8), (1 / 3, 1 / 3)):
            x = x1 + a * (x2 - x1) + b * (x3 - x1)
            y = y1 + a * (y2 - y1) + b * (y3 - y1)
            column = min(int(x * width / 2), cells.shape[1] - 1)
            assert cells[min(int(y * height / 2), cells.shape[0] - 1), column]


def test_a_mask_has_a_margin_of_two_pixels() -> None:
    quarter = ((0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5))
    [luma, *_] = planes(draw(noise(64, 48), [quarter], []))
    assert len(np.unique(luma[12 - 2 : 24 + 2, 16 - 2 : 32 + 2])) == 1


def test_drawing_leaves_the_decoders_own_pictures_alone(h264) -> None:
    plain = open_decoder(h264.track)
    masked = open_decoder(h264.track)
    for unit in h264.units[:30]:
        for original, other in zip(
            plain.decode(packet_of(h264.track, unit)),
            masked.decode(packet_of(h264.track, unit)),
            strict=True,
        ):
            width = original.width
            before = planes(original)[0][:, width // 2 + 8 :].copy()
            drawn = draw(other, [HALF], ["x"])
            # The right half is predicted from pictures that were drawn upon, were they not copied.
            assert np.array_equal(planes(drawn)[0][:500, width // 2 + 8 :], before[:500])


def test_every_picture_of_a_transcoded_stream_is_masked(h265) -> None:
    transcoder = VideoTranscoder(h265.track, live=True, masks=[HALF])
    made = transcoder.push(h265.units[:60]) + transcoder.finish()
    decoder = open_decoder(transcoder.track)
    pictures = [
        frame.to_ndarray(format="gray")
        for packet in [*(packet_of(transcoder.track, unit) for unit in made), None]
        for frame in decoder.decode(packet)
    ]
    assert len(pictures) == 60
    assert all(map(hides_left_half, pictures))


def test_a_small_picture_is_masked_before_it_is_made_small(h264) -> None:
    jpeg = jpeg_at(h264.track, h264.units[:1], width=96, masks=[HALF], lines=["张三"])
    [picture] = decode(jpeg, "mjpeg")
    assert picture.shape == (72, 96)
    assert hides_left_half(picture)


def test_letters_are_bright_on_dark_and_where_they_belong() -> None:
    grey = VideoFrame.from_ndarray(np.full((720, 1280, 3), 128, np.uint8), format="rgb24")
    luma = planes(draw(grey, [], ["村口 2026-11-22", "张三 (zhangsan)"]))[0]
    changed = np.argwhere(luma != luma[0, 0])
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert top > 720 * 0.9
    assert bottom < 720
    assert left < 12
    assert right < 1280 / 2
    assert luma[top : bottom + 1, left : right + 1].max() > 220
    assert luma[top : bottom + 1, left : right + 1].min() < 60


@given(st.text(max_size=40), st.integers(2, 700), st.integers(2, 300))
@settings(max_examples=60)
def test_any_text_fits_any_picture(text: str, width: int, height: int) -> None:
    draw(noise(width & ~1 or 2, height & ~1 or 2), [], [text, "x", text])


def test_each_character_has_letters_of_its_own() -> None:
    seen = {draw_line(character).tobytes() for character in "钟祥县石牌镇彭墩村Aa1龥一"}
    assert len(seen) == 14
    assert draw_line("村口").shape == (EM, 2 * EM)
    assert draw_line("gate").shape == (EM, 2 * EM)
    assert draw_line(" ").max() == 0
    # What is not there is seen not to be there.
    assert np.array_equal(draw_line("\U0001f600"), draw_line("〓"))


def test_times_go_through() -> None:
    picture = noise(64, 48, "yuv444p")
    picture.pts = 9000
    assert draw(picture, [HALF], []).pts == 9000
    assert isinstance(draw(picture, [], []), av.VideoFrame)
