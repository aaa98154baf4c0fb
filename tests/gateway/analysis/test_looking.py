"""Photos that people search by: what is in them, and why one is not taken."""

from __future__ import annotations

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gateway.analysis.looking import answer
from search.appearance.embed import comparable, load_embedder
from search.objects import NO_DETECTIONS, Detections, Picture


class _SeesNobody:
    """What a detector finds does not matter here: somebody draws the box."""

    def detect(self, pictures: list[Picture]) -> list[Detections]:
        return [NO_DETECTIONS for _ in pictures]


@pytest.fixture(scope="module")
def analyst() -> SimpleNamespace:
    return SimpleNamespace(detector=_SeesNobody(), embedder=load_embedder(None, 1))


def _photo(width: int = 200, height: int = 300, **options: object) -> bytes:
    picture = Image.new("RGB", (width, height), (120, 125, 120))
    picture.paste((190, 30, 40), (width // 4, height // 6, 3 * width // 4, height // 2))
    picture.paste((30, 60, 110), (width // 4, height // 2, 3 * width // 4, height))
    held = io.BytesIO()
    picture.save(held, "PNG", **options)
    return held.getvalue()


def test_what_somebody_drew_a_box_around_can_be_searched_by(analyst: SimpleNamespace) -> None:
    reply = answer(analyst, {"type": "photo", "data": _photo(), "box": [0.2, 0.1, 0.8, 1.0]})
    assert (reply["width"], reply["height"]) == (200, 300)
    (chosen,) = reply["objects"]
    vector = np.frombuffer(chosen["vector"], np.float32)
    assert len(vector) == reply["vector_size"]
    assert comparable(vector[None]).all()
    assert reply["jpeg"].startswith(b"\xff\xd8")


def _wide() -> bytes:
    data = bytearray(_photo())
    data[16:24] = struct.pack(">II", 20_000, 10_000)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"no photo at all", "photo_refused"),
        (b"GIF89a" + bytes(60), "photo_refused"),
        (_wide(), "photo_too_large"),
        (_photo(10, 10), "photo_too_small"),
        (_photo(save_all=True, append_images=[Image.new("RGB", (200, 300))]), "photo_animated"),
        (_photo()[:200], "photo_damaged"),
    ],
    ids=["text", "gif", "200 megapixels", "ten pixels", "animation", "cut off"],
)
def test_a_photo_is_refused_with_its_reason(
    analyst: SimpleNamespace, data: bytes, code: str
) -> None:
    reply = answer(analyst, {"type": "photo", "data": data})
    assert (reply["type"], reply["code"]) == ("refused", code)
    assert reply["message"]
