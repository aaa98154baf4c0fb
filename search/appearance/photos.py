"""Photos that people bring: of a wanted coat, a lost bicycle. Read with suspicion.

The header is judged before anything is decoded. What comes out are pixels and nothing else: where
and when a photo was taken, and by which telephone, is not kept. Decoders of picture formats are
where files attack: :mod:`search.appearance.photo_worker` runs this in a process of its own.
"""

from __future__ import annotations

import io
import warnings

import numpy as np

from search.appearance.photo_header import HeaderError, read_header
from search.objects import Picture

LARGEST_FILE_BYTES = 16 * 1024 * 1024
LARGEST_PIXELS = 50_000_000
LARGEST_SIDE = 30_000
LEAST_SIDE = 16
KEPT_SIDE = 2048
"""Pictures come out at most so wide and high: cameras here show nobody larger."""

_ACCEPTED = "give a JPEG, PNG, WebP or HEIC photo"


class PhotoRefused(Exception):
    """Why a photo is not taken, in words for whoever brought it.

    ``code``: ``too_large`` (bytes), ``too_many_pixels``, ``too_small``, ``not_a_photo``,
    ``animated``, ``damaged``, ``too_slow``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_photo(data: bytes, largest_bytes: int = LARGEST_FILE_BYTES) -> Picture:
    """The photo as pixels, upright, at most 2,048 wide and high, without its metadata.

    Raises :class:`PhotoRefused`: more than ``largest_bytes`` or 50 megapixels, not one still JPEG,
    PNG, WebP or HEIC picture, damaged or cut off. Takes at most some 1.2 GB of memory.
    """
    _judge_header(data, largest_bytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data)
    except PhotoRefused:
        raise
    except MemoryError:
        raise PhotoRefused(
            "too_many_pixels", "this photo needs more memory than it may have; give a smaller one"
        ) from None
    except Exception as error:  # whatever a decoder throws at a damaged file
        raise PhotoRefused(
            "damaged", "this photo is damaged or cut off and cannot be read; save it anew"
        ) from error


def photo_as_jpeg(picture: Picture) -> bytes:
    """The photo for keeping: a JPEG that holds the picture alone."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(held, "JPEG", quality=90)
    return held.getvalue()


def _judge_header(data: bytes, largest_bytes: int) -> None:
    if len(data) > largest_bytes:
        raise PhotoRefused(
            "too_large",
            f"this file has {len(data) / 2**20:.0f} MiB; a photo may have {largest_bytes // 2**20}",
        )
    try:
        header = read_header(data)
    except HeaderError as error:
        code = "damaged" if "damaged" in str(error) else "not_a_photo"
        raise PhotoRefused(code, f"this is {error}; {_ACCEPTED}") from None
    if header.animated:
        raise PhotoRefused(
            "animated", f"this is a moving picture; {_ACCEPTED} with one picture in it"
        )
    if header.width * header.height > LARGEST_PIXELS or (
        max(header.width, header.height) > LARGEST_SIDE
    ):
        raise PhotoRefused(
            "too_many_pixels",
            f"this photo has {header.width} × {header.height} pixels "
            f"({header.width * header.height / 1e6:.0f} megapixels); it may have "
            f"{LARGEST_PIXELS // 1_000_000} megapixels: save it smaller, or cut out what matters",
        )
    if min(header.width, header.height) < LEAST_SIDE:
        raise PhotoRefused(
            "too_small",
            f"this photo has {header.width} × {header.height} pixels: too few to compare",
        )


def _decode(data: bytes) -> Picture:
    from PIL import Image, ImageOps

    # Pillow's own guard says "bomb" at twice this; the header has been judged by a lower bound,
    # and a decoder that finds more than the header said is stopped here.
    Image.MAX_IMAGE_PIXELS = LARGEST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    with _open(data) as image:
        if image.width * image.height > LARGEST_PIXELS:
            raise PhotoRefused("damaged", "this photo is not of the size that it says")
        if getattr(image, "is_animated", False) and image.format not in ("MPO", "HEIF"):
            raise PhotoRefused(
                "animated", f"this is a moving picture; {_ACCEPTED} with one picture in it"
            )
        # A JPEG is decoded at a half, a quarter or an eighth at once.
        image.draft("RGB", (KEPT_SIDE, KEPT_SIDE))
        image.load()
        if max(image.size) > KEPT_SIDE:
            image.thumbnail((KEPT_SIDE, KEPT_SIDE), Image.Resampling.BOX, reducing_gap=None)
        upright = ImageOps.exif_transpose(image)
        return _pixels(upright)


def _open(data: bytes):  # type: ignore[no-untyped-def]  # an Image, which is not imported up there
    from PIL import Image

    if data[4:8] == b"ftyp":
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1
        pillow_heif.options.THUMBNAILS = False
        pillow_heif.options.DEPTH_IMAGES = False
        pillow_heif.options.AUX_IMAGES = False
        pillow_heif.register_heif_opener()
        return Image.open(io.BytesIO(data), formats=["HEIF"])
    from PIL import JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401  # register

    return Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP"])


def _pixels(image) -> Picture:  # type: ignore[no-untyped-def]  # as above
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        # 16 bits of grey: the upper eight.
        grey = (np.asarray(image, np.float32) / 256).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        # What is cut out of its background stands before grey, which weighs least in colours.
        ground = Image.new("RGBA", image.size, (128, 128, 128, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    rgb = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(rgb[..., ::-1])
