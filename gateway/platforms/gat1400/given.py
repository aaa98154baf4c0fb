"""Rows of sightings as what is given to a platform above: GA/T 1400 objects, their pictures only
where nothing of the camera's picture is, or was then, masked.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from camera_adapters.gat1400.objects import BY_KIND, Sighting, write_sighting
from camera_adapters.gat1400.pictures import Picture
from gateway.masks import MaskReader, covering
from gateway.sightings.keys import store_key
from gateway.sightings.places import SightingPlace
from recorder.stores import Store, StoreError

_COLOR_FIELDS = {"vehicle": "vehicle_color", "non_motor": "vehicle_color", "person": "coat_color"}


class Giver:
    """Turns rows into objects; reads pictures from the store."""

    def __init__(self, store: Store, masks: MaskReader, utc_offset_minutes: int) -> None:
        self._store = store
        self._masks = masks
        self._utc_offset_minutes = utc_offset_minutes

    async def give(
        self, row: sa.Row[Any], place: SightingPlace, *, with_pictures: bool
    ) -> tuple[dict[str, Any], int]:
        """The object, and how many pictures it has. Raises StoreError but for what is gone."""
        sighting = _sighting(row, place)
        encoded: dict[int, str] = {}
        if with_pictures and row.pictures and not await self._is_masked(row, place):
            encoded = await self._pictures(row, place)
        document = write_sighting(
            BY_KIND[row.kind], sighting, encoded, utc_offset_minutes=self._utc_offset_minutes
        )
        return document, len(encoded)

    async def _is_masked(self, row: sa.Row[Any], place: SightingPlace) -> bool:
        if place.camera_id is None:
            return False
        versions = await self._masks.versions(place.camera_id)
        return bool(covering(versions, row.at_us, row.at_us + 1))

    async def _pictures(self, row: sa.Row[Any], place: SightingPlace) -> dict[int, str]:
        key = store_key(place.platform_id, row.at_us, row.own_key)
        size = sum(picture[2] for picture in row.pictures)
        try:
            data = await self._store.read(key, 0, size)
        except StoreError as error:
            if error.code == "not_found":
                return {}
            raise
        return await asyncio.to_thread(_encode, data, row.pictures)


def _encode(data: bytes, pictures: list[list[Any]]) -> dict[int, str]:
    return {
        number: base64.b64encode(data[offset : offset + length]).decode()
        for number, (_, offset, length, _, _) in enumerate(pictures)
    }


def _sighting(row: sa.Row[Any], place: SightingPlace) -> Sighting:
    interface = BY_KIND[row.kind]
    facts: Mapping[str, Any] = row.facts
    values: dict[str, Any] = {one.name: facts.get(one.name) for one in fields(interface.document)}
    values["id"] = facts["own_id"]
    values["device_id"] = place.code
    if "plate" in values:
        values["plate"] = row.plate
        values["plate_color"] = _code(row.plate_color)
    color_field = _COLOR_FIELDS.get(row.kind)
    if color_field is not None:
        values[color_field] = _code(row.color)
    if row.kind == "person":
        values["trousers_color"] = _code(row.lower_color)
    pictures = tuple(
        Picture(code, b"", width, height) for code, _, _, width, height in row.pictures
    )
    return Sighting(row.kind, interface.document(**values), pictures)


def _code(color: int | None) -> str | None:
    return None if color is None else str(color)
