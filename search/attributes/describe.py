"""What an ended passage looks like: colours, type, plate, rider. Once for each passage."""

from __future__ import annotations

from collections.abc import Sequence

from search.attributes.clothing import clothing_colors, rider_colors
from search.attributes.color_judging import UNKNOWN_COLOR
from search.attributes.looks import WITHIN_MARGIN, Box, Look
from search.attributes.paint import body_color
from search.attributes.plates.search import PlateSearch
from search.attributes.vehicle_type import vehicle_type
from search.objects import TWO_WHEELERS, VEHICLES
from search.passages import Attributes, Judged, Passage

_AT_THE_BORDER = 0.995


class Describer:
    """Describes passages, one after the other; not to be shared between threads.

    ``threads``: of each model. Models are loaded with the first vehicle that needs them.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._plates: PlateSearch | None = None

    def describe(self, passage: Passage) -> Attributes:
        """What the passage's pictures tell. Colours of monochrome pictures are ``UNKNOWN``."""
        looks = _looks(passage)
        if passage.object_class in VEHICLES:
            return self._of_vehicle(passage, looks)
        if passage.object_class in TWO_WHEELERS:
            return _of_two_wheeler(passage)
        if passage.monochrome:
            return Attributes(upper_color=UNKNOWN_COLOR, lower_color=UNKNOWN_COLOR)
        upper, lower = clothing_colors(looks, cut_below=passage.box[3] > _AT_THE_BORDER)
        return Attributes(upper_color=upper, lower_color=lower)

    def _of_vehicle(self, passage: Passage, looks: Sequence[Look]) -> Attributes:
        if self._plates is None:
            self._plates = PlateSearch(self._threads)
        seen = self._plates.search(looks)
        agreed = seen.plate if seen is not None else None
        ground = None
        places: tuple[Box, ...] = ()
        if seen is not None:
            ground = UNKNOWN_COLOR if passage.monochrome else seen.color
            places = tuple(_in_picture(passage, number, place) for number, place in seen.places)
        return Attributes(
            color=UNKNOWN_COLOR if passage.monochrome else body_color(looks),
            vehicle_type=vehicle_type(passage, agreed),
            plate=Judged(agreed.text, agreed.confidence) if agreed is not None else None,
            plate_places=places,
            plate_color=ground,
        )


def _of_two_wheeler(passage: Passage) -> Attributes:
    rider = passage.rider
    if rider is None:
        return Attributes()
    sits = rider.share >= 0.5
    judged = Judged("yes" if sits else "no", round(max(rider.share, 1 - rider.share), 3))
    if rider.crop is None or not sits:
        return Attributes(rider=judged)
    if passage.monochrome:
        return Attributes(rider=judged, upper_color=UNKNOWN_COLOR, lower_color=UNKNOWN_COLOR)
    upper, lower = rider_colors(rider.crop)
    return Attributes(rider=judged, upper_color=upper, lower_color=lower)


def _in_picture(passage: Passage, number: int, place: Box) -> Box:
    """Shares of the vehicle's box in that look, as shares of the whole picture."""
    looks = passage.evidence
    box = (looks[number].in_picture if looks else None) or passage.box
    across, down = box[2] - box[0], box[3] - box[1]
    return (
        box[0] + place[0] * across,
        box[1] + place[1] * down,
        box[0] + place[2] * across,
        box[1] + place[3] * down,
    )


def _looks(passage: Passage) -> Sequence[Look]:
    """Its evidence; of a passage that kept none, the crop with its margin of a tenth."""
    if passage.evidence:
        return [(one.crop, one.box) for one in passage.evidence]
    return [(passage.crop, WITHIN_MARGIN)]
