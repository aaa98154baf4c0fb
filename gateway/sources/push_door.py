"""Who may push a camera in: by its name, and its password as the key.

Unknown names and wrong keys get the same answer. Wrong ones are counted by address: after a few
there is a pause, and the register is told.
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from camera_adapters.pushed import PushSlot
from gateway.shard.desired import DesiredSource
from gateway.sources.addresses import push_name, scheme_of

APPLICATION = "push"
ATTEMPTS = 5
PAUSE_S = 60.0
_ADDRESSES_LIMIT = 10_000

_TAKEN = "another camera has this push name: choose another"
_NO_KEY = "this camera has no password: it is the key for pushing"
_REFUSAL = "wrong name or key; the key is the camera's password"


@dataclass(slots=True)
class _Place:
    source: DesiredSource
    slot: PushSlot


class PushDoor:
    """The pushed cameras of one shard. ``on_refused(why, address)`` tells the register."""

    def __init__(
        self,
        on_refused: Callable[[str, str], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_refused = on_refused
        self._clock_s = clock_s
        self._by_source: dict[str, _Place] = {}
        self._by_name: dict[str, _Place] = {}
        # Address → wrong attempts, and when they are forgotten.
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def permit(self, sources: Iterable[DesiredSource]) -> None:
        """Hold exactly the pushed ones among these. Whoever publishes what is gone, or with a key
        that was changed, is disconnected.
        """
        wanted = {one.source_id: one for one in sources if scheme_of(one.url) == "push"}
        for source_id in [one for one in self._by_source if one not in wanted]:
            self._by_source.pop(source_id).slot.close("the camera is not here any more")
        for source_id, source in wanted.items():
            place = self._by_source.get(source_id)
            if place is None:
                self._by_source[source_id] = _Place(source, PushSlot())
                continue
            before, place.source = place.source, source
            if (before.url, before.password) != (source.url, source.password):
                place.slot.close("the camera's name or key was changed")
        self._by_name = {}
        for place in self._by_source.values():
            name = push_name(place.source.url)
            first = self._by_name.setdefault(name, place)
            place.slot.trouble = "" if first is place else _TAKEN
            if not place.source.password:
                place.slot.trouble = _NO_KEY

    def slot(self, source: DesiredSource) -> PushSlot:
        """The place of a source; made where the rows were read just now."""
        place = self._by_source.get(source.source_id)
        if place is None:
            place = self._by_source[source.source_id] = _Place(source, PushSlot())
            self._by_name.setdefault(push_name(source.url), place)
        return place.slot

    def held(self, camera_id: str) -> PushSlot | None:
        """The place of a camera's main stream; None where it is not here, or not to be pushed."""
        place = self._by_source.get(f"{camera_id}/main")
        return None if place is None or place.slot.trouble else place.slot

    def admit(self, application: str, name: str, key: str, address: str) -> PushSlot:
        """The place of the camera, for who knows its key. Raises PermissionError with what to tell.

        Its name and key are compared in constant time.
        """
        count, until = self._wrong.get(address, (0, 0.0))
        now = self._clock_s()
        if until <= now:
            count = 0
        if count >= ATTEMPTS:
            self._on_refused("too many wrong keys for pushing: a pause", address)
            raise PermissionError(f"too many wrong keys: wait {PAUSE_S:.0f} s")
        place = self._by_name.get(name) if application == APPLICATION else None
        expected = (place.source.password if place is not None else None) or ""
        right = hmac.compare_digest(expected.encode(), key.encode("utf-8", "replace"))
        if place is None or not expected or not right:
            self._wrong[address] = (count + 1, now + PAUSE_S)
            self._wrong.move_to_end(address)
            while len(self._wrong) > _ADDRESSES_LIMIT:
                self._wrong.popitem(last=False)
            self._on_refused("a wrong name or key for pushing", address)
            raise PermissionError(_REFUSAL)
        self._wrong.pop(address, None)
        return place.slot

    def close(self) -> None:
        """Disconnect whoever publishes."""
        for place in self._by_source.values():
            place.slot.close("the gateway stops")
