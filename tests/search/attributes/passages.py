"""Passages for describing: of a drawn object, or cut out of real footage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np

from search.objects import ObjectClass, Picture
from search.passages import Direction, Evidence, Passage, Rider, SpeedClass
from search.tracks.crops import cut

STREET = (98, 102, 100)


def passage(
    object_class: ObjectClass,
    looks: Sequence[tuple[Picture, tuple[float, float, float, float]]],
    *,
    monochrome: bool = False,
    rider: Rider | None = None,
) -> Passage:
    """A passage whose evidence are ``looks``."""
    return Passage(
        id=1,
        camera_id="gate",
        first_us=0,
        last_us=1_000_000,
        object_class=object_class,
        confidence=0.8,
        best_us=0,
        box=(0.4, 0.3, 0.5, 0.7),
        crop=looks[0][0],
        path=[],
        direction=Direction.STAYED,
        speed=SpeedClass.SLOW,
        monochrome=monochrome,
        model="test",
        evidence=[Evidence(number, crop, box, 0.8) for number, (crop, box) in enumerate(looks)],
        rider=rider,
    )


def draw_person(
    coat: tuple[int, int, int],
    trousers: tuple[int, int, int],
    *,
    street: tuple[int, int, int] = STREET,
    light: float = 1.0,
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0),
    noise: float = 5.0,
    seed: int = 1,
) -> tuple[Picture, tuple[float, float, float, float]]:
    """A standing person, 120 pixels high, colours as blue, green, red; and its box in the crop."""
    chance = np.random.default_rng(seed)
    crop = np.full((144, 60, 3), street, np.float32)

    def block(left: int, top: int, right: int, bottom: int, color: tuple[int, int, int]) -> None:
        crop[top:bottom, left:right] = color

    block(25, 13, 36, 30, (110, 140, 190))  # head
    block(16, 30, 44, 72, coat)
    block(19, 72, 29, 128, trousers)
    block(31, 72, 41, 128, trousers)
    block(18, 126, 42, 132, (20, 20, 20))  # shoes
    lit = crop * light * np.array(tint, np.float32) + chance.normal(0, noise, crop.shape)
    return np.clip(lit, 0, 255).astype(np.uint8), (0.17, 0.083, 0.83, 0.917)


def walker(
    clip: Path, at_s: float, box: tuple[float, float, float, float]
) -> tuple[Picture, tuple[float, float, float, float]]:
    """Who stands in ``box`` (shares of the picture) of the clip at that second."""
    with av.open(str(clip)) as container:
        container.seek(int(at_s * 1_000_000), backward=True)
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= at_s - 0.01:
                return cut(frame.to_ndarray(format="bgr24"), box, 1024)
    raise ValueError("the clip is shorter")


def as_monochrome(one: Passage) -> Passage:
    """The same, seen by infra-red."""
    return replace(one, monochrome=True)
