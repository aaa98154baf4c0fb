"""Photos that people bring: what is read, what is refused, and what is not kept."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gateway.api.guard import FILE_BYTES_LIMIT
from search.appearance.photo_header import HeaderError, read_header
from search.appearance.photo_worker import read_photo_apart
from search.appearance.photos import (
    KEPT_SIDE,
    LARGEST_FILE_BYTES,
    PhotoRefused,
    photo_as_jpeg,
    read_photo,
)

pillow_heif.register_heif_opener()
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
GPS = 0x8825
ORIENTATION = 0x112


def _picture(width: int = 120, height: int = 80) -> Image.Image:
    """Red on the left, blue on the right; a white corner at the top left."""
    picture = Image.new("RGB", (width, height), (200, 30, 30))
    picture.paste((30, 30, 200), (width // 2, 0, width, height))
    picture.paste((255, 255, 255), (0, 0, width // 4, height // 4))
    return picture


def _file(picture: Image.Image, kind: str, **options: object) -> bytes:
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def _refusal(data: bytes) -> PhotoRefused:
    with pytest.raises(PhotoRefused) as refused:
        read_photo(data)
    return refused.value


@pytest.mark.parametrize("kind", FORMATS)
def test_the_formats_of_cameras_and_telephones_are_read(kind: str) -> None:
    read = read_photo(_file(_picture(), kind, quality=95))
    assert read.shape == (80, 120, 3)
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    blue, _, red = read[60, 20]
    assert red > 150 > blue
    blue, _, red = read[60, 100]
    assert blue > 150 > red


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright(kind: str, orientation: int) -> None:
    turned = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    held = _picture()
    if orientation > 1:
        held = held.transpose(turned[orientation])
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    read = read_photo(_file(held, kind, exif=exif, quality=95))
    assert read.shape == (80, 120, 3)
    assert read[5, 5].min() > 200


def test_a_turned_heic_is_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    turned = _picture().transpose(Image.Transpose.ROTATE_90)
    data = _file(turned, "HEIF", exif=exif.tobytes())
    assert b"irot" in data
    read = read_photo(data)
    assert read.shape == (80, 120, 3)
    assert read[5, 5].min() > 200


def test_where_and_with_what_it_was_taken_is_not_kept() -> None:
    exif = Image.Exif()
    exif[0x10F] = "Telephone maker"
    exif[GPS] = {1: "N", 2: (31.0, 10.0, 0.0), 3: "E", 4: (112.0, 35.0, 0.0)}
    data = _file(_picture(), "JPEG", exif=exif, comment=b"my house")
    assert b"Telephone maker" in data
    kept = photo_as_jpeg(read_photo(data))
    assert b"Telephone" not in kept
    assert b"Exif" not in kept
    assert b"my house" not in kept
    assert read_photo(kept).shape == (80, 120, 3)


def test_large_photos_come_out_smaller() -> None:
    read = read_photo(_file(_picture(6000, 3000), "JPEG"))
    assert max(read.shape) == KEPT_SIDE
    assert read.shape[1] == pytest.approx(2 * read.shape[0], abs=2)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16", "CMYK"])
def test_every_kind_of_pixel_is_read(mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.full((40, 50), 40000, np.uint16))
        data = _file(picture, "PNG")
        assert read_photo(data)[20, 20].tolist() == [156] * 3
        return
    picture = _picture(50, 40).convert(mode)
    read = read_photo(_file(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert read.shape == (40, 50, 3)


def test_what_is_cut_out_stands_before_grey() -> None:
    picture = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    assert read_photo(_file(picture, "PNG"))[20, 20].tolist() == [128] * 3


def test_a_broken_colour_profile_harms_nobody() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = _file(_picture(), "JPEG", icc_profile=profile[:40] + b"\xff" * 80)
    assert read_photo(data).shape == (80, 120, 3)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def _jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(_file(_picture(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp_of(width: int, height: int) -> bytes:
    data = bytearray(_file(_picture().convert("RGBA"), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"))
    assert data[12:16] == b"VP8X"
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def _heic_of(width: int, height: int) -> bytes:
    data = bytearray(_file(_picture(), "HEIF"))
    at = data.index(b"ispe")
    data[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(data)


@pytest.mark.parametrize("make", [_png, _jpeg_of, _webp_of, _heic_of])
def test_two_hundred_megapixels_are_refused_from_the_header(
    make: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("search.appearance.photos._decode", decode)
    refusal = _refusal(make(16000, 12500))
    assert refusal.code == "too_many_pixels"
    assert "16000 × 12500" in str(refusal)
    assert "200 megapixels" in str(refusal)


def test_a_strip_too_long_for_any_decoder_is_refused() -> None:
    assert _refusal(_png(4_000_000_000, 1)).code == "too_many_pixels"


def test_a_file_too_large_is_refused_before_anything_else() -> None:
    assert _refusal(b"\xff\xd8\xff" + bytes(LARGEST_FILE_BYTES)).code == "too_large"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_moving_pictures_are_refused(kind: str) -> None:
    other = _picture().transpose(Image.Transpose.ROTATE_180)
    data = _file(_picture(), kind, save_all=True, append_images=[other], duration=100)
    assert _refusal(data).code == "animated"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no picture"),
        (b"hello, world", "no picture"),
        (b"GIF89a" + bytes(100), "GIF"),
        (b"%PDF-1.7\n" + bytes(50), "PDF"),
        (b"PK\x03\x04" + bytes(50), "ZIP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(40), "video"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(40), "AVIF"),
        (b"\x7fELF" + bytes(100), "no picture"),
    ],
)
def test_what_is_no_photo_is_said_to_be_none(data: bytes, said: str) -> None:
    refusal = _refusal(data)
    assert refusal.code == "not_a_photo"
    assert said in str(refusal)
    assert "JPEG, PNG, WebP or HEIC" in str(refusal)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_photo_cut_off_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
    data = _file(Image.fromarray(noise), kind)
    assert _refusal(data[: int(len(data) * share)]).code == "damaged"


def test_a_jpeg_of_ten_thousand_passes_is_refused() -> None:
    data = _file(_picture(), "JPEG", progressive=True)
    end = data.rindex(b"\xff\xd9")
    scan = data[data.rindex(b"\xff\xda") : end]
    assert _refusal(data[:end] + scan * 10_000 + data[end:]).code == "not_a_photo"


def test_a_picture_of_nearly_nothing_is_refused() -> None:
    assert _refusal(_file(_picture(8, 8), "PNG")).code == "too_small"


@given(st.binary(max_size=400))
def test_any_bytes_have_a_header_or_none(data: bytes) -> None:
    for start in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypheic"):
        try:
            header = read_header(start + data)
        except HeaderError:
            continue
        assert header.width > 0
        assert header.height > 0


def test_a_process_of_its_own_reads_it() -> None:
    read = read_photo_apart(_file(_picture(), "PNG"))
    assert np.array_equal(read, read_photo(_file(_picture(), "PNG")))


def test_a_process_of_its_own_refuses_it_with_the_same_words() -> None:
    with pytest.raises(PhotoRefused) as refused:
        read_photo_apart(b"GIF89a" + bytes(40))
    assert refused.value.code == "not_a_photo"
    assert "GIF" in str(refused.value)
    with pytest.raises(PhotoRefused, match="MiB"):
        read_photo_apart(bytes(LARGEST_FILE_BYTES + 1))


def test_who_takes_too_long_is_ended() -> None:
    with pytest.raises(PhotoRefused) as refused:
        read_photo_apart(_file(_picture(), "PNG"), patience_s=0.001)
    assert refused.value.code == "too_slow"


def test_a_photo_that_needs_more_memory_than_its_reader_may_have_is_refused() -> None:
    photo = _file(_picture(7000, 7000), "PNG")
    with pytest.raises(PhotoRefused) as refused:
        read_photo_apart(photo, memory_bytes=400 * 1024**2)
    assert refused.value.code == "too_many_pixels"
    assert "memory" in str(refused.value)


def test_a_photo_may_be_as_large_as_an_upload_and_no_larger() -> None:
    assert LARGEST_FILE_BYTES == FILE_BYTES_LIMIT
