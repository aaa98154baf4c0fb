"""The catalogue that a platform above is given (GB/T 28181-2016 §9.5, §9.11, Annex O).

Areas stand in it as virtual organisations beneath one business group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from camera_adapters.gb28181.catalog import CatalogEvent, CatalogItem
from camera_adapters.gb28181.codes import CodeKind


@dataclass(frozen=True, slots=True)
class SharedArea:
    """An area that is shared. ``parent`` is the code of the one above it, empty at the top."""

    code: str
    name: str
    parent: str = ""
    civil_code: str = ""


@dataclass(frozen=True, slots=True)
class SharedCamera:
    """A camera that is shared. ``parent`` is its area's code, empty beneath the group itself."""

    code: str
    camera_id: str
    name: str
    parent: str = ""
    online: bool = True
    steerable: bool = False
    civil_code: str = ""
    manufacturer: str = ""
    model: str = ""
    longitude: float | None = None
    latitude: float | None = None


@dataclass(frozen=True, slots=True)
class SharedCatalog:
    """Everything that one platform above may know of. Codes outside it do not exist for it."""

    platform_code: str
    group_code: str
    name: str
    cameras: dict[str, SharedCamera] = field(default_factory=dict)
    items: tuple[CatalogItem, ...] = ()

    @classmethod
    def of(
        cls,
        platform_code: str,
        group_code: str,
        name: str,
        areas: Iterable[SharedArea],
        cameras: Iterable[SharedCamera],
    ) -> SharedCatalog:
        """Build the items, parents before their children: some receivers need that order."""
        by_code = {camera.code: camera for camera in cameras}
        areas = tuple(areas)
        group = CatalogItem(group_code, name, (platform_code,), facts={"Parental": "1"})
        items = [group] if by_code or areas else []
        items += [_area_item(area, group_code) for area in areas]
        items += [_camera_item(camera, group_code) for camera in by_code.values()]
        return cls(platform_code, group_code, name, by_code, tuple(items))

    def beneath(self, code: str) -> tuple[CatalogItem, ...] | None:
        """The answer to a query for this code: everything for the platform's own, one camera, or an
        organisation with all beneath it. None for a code that is not shared.
        """
        if code in ("", self.platform_code, self.group_code):
            return self.items
        if code in self.cameras:
            return tuple(item for item in self.items if item.code == code)
        found = {code} if any(item.code == code for item in self.items) else set()
        if not found:
            return None
        # Parents stand before their children.
        for item in self.items:
            if item.parents and item.parents[-1] in found:
                found.add(item.code)
        return tuple(item for item in self.items if item.code in found)


def events_between(before: SharedCatalog, after: SharedCatalog) -> list[CatalogEvent]:
    """What a subscriber is told (Annex A.2.5 e): what came, what changed, what went, children
    before their parents, and cameras that only went on or off.
    """
    old = {item.code: item for item in before.items}
    new = {item.code: item for item in after.items}
    events = [CatalogEvent("DEL", CatalogItem(code)) for code in reversed(old) if code not in new]
    for code, item in new.items():
        known = old.get(code)
        if known is None:
            events.append(CatalogEvent("ADD", item))
        elif known != item:
            only_status = replace(known, online=item.online) == item
            if only_status and item.kind is CodeKind.CAMERA:
                events.append(CatalogEvent("ON" if item.online else "OFF", CatalogItem(code)))
            else:
                events.append(CatalogEvent("UPDATE", item))
    return events


def _area_item(area: SharedArea, group_code: str) -> CatalogItem:
    return CatalogItem(
        code=area.code,
        name=area.name,
        parents=(area.parent or group_code,),
        civil_code=area.civil_code,
        business_group=group_code,
        facts={"Parental": "1"},
    )


def _camera_item(camera: SharedCamera, group_code: str) -> CatalogItem:
    facts = {
        "Manufacturer": camera.manufacturer or "gridsight",
        "Model": camera.model or "camera",
        "Owner": "0",
        "Address": camera.name,
        "Parental": "0",
        "SafetyWay": "0",
        "RegisterWay": "1",
        "Secrecy": "0",
        "PTZType": "1" if camera.steerable else "3",
    }
    return CatalogItem(
        code=camera.code,
        name=camera.name,
        parents=(camera.parent or group_code,),
        civil_code=camera.civil_code,
        business_group=group_code,
        online=camera.online,
        longitude=camera.longitude,
        latitude=camera.latitude,
        facts=facts,
    )
