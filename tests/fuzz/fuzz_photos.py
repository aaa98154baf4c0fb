"""Anything may be uploaded as a photo: it is read, or refused in words."""

from __future__ import annotations

import io

import pillow_heif
from PIL import Image

from search.appearance.photos import KEPT_SIDE, PhotoRefused, read_photo

pillow_heif.register_heif_opener()


def _seed(kind: str, **options: object) -> bytes:
    held = io.BytesIO()
    Image.radial_gradient("L").resize((24, 24)).convert("RGB").save(held, kind, **options)
    return held.getvalue()


SEEDS = [
    _seed("JPEG", quality=40),
    _seed("JPEG", quality=40, progressive=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    _seed("PNG"),
    _seed("WEBP", quality=40),
    _seed("WEBP", lossless=True, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    _seed("HEIF", quality=40),
]


def target(data: bytes) -> None:
    """Only PhotoRefused; what is read is a picture of a bounded size."""
    try:
        picture = read_photo(data)
    except PhotoRefused as refused:
        assert refused.code
        assert str(refused)
        return
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert max(picture.shape) <= KEPT_SIDE
