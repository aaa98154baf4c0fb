"""The type of a vehicle, in the words that sightings of checkpoints have, where it can be known."""

from __future__ import annotations

from search.attributes.plates.agreement import AgreedPlate
from search.objects import ObjectClass
from search.passages import Judged, Passage

# A car may be a saloon, an off-road car or, to a model that knows no vans, a van: no type.
_TYPES = {
    ObjectClass.TRUCK: "truck",
    ObjectClass.BUS: "bus",
    ObjectClass.VAN: "van",
    ObjectClass.TRICYCLE: "three_wheeler",
    ObjectClass.FARM_VEHICLE: "farm_tractor",
}


def vehicle_type(passage: Passage, plate: AgreedPlate | None) -> Judged | None:
    """From the class, where the model tells that class from all that look like it, and from what
    only one kind of vehicle has: a trailer's plate ends in 挂. None: not to be known.
    """
    if plate is not None and plate.text.endswith("挂"):
        return Judged("trailer", plate.confidence)
    word = _TYPES.get(passage.object_class)
    if word is None or passage.possible_classes:
        return None
    return Judged(word, round(passage.confidence, 3))
