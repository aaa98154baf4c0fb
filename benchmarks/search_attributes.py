"""What passages look like: plates, colours of clothing, and what describing costs.

    python -m benchmarks.search_attributes [--quick]

Plates are drawn (real ones are not to be had) on drawn vehicles: all kinds of plate, 40 to 150
pixels wide, by day and night, blurred, noisy, seen from aside, one to five pictures each; many of
them nobody could read. Told plates are right where every character that was told is. Peer: what the
surest reader says of the best picture, as far as a plate may say so. Colours of clothing: people of
two real clips, labelled by hand; where a label names two colours (a red and navy anorak), either is
right. The thresholds of colours were set by looking at the campus; the people one by one are the
test. Cost is processor time on one thread, described once for each passage.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from benchmarks._plate_pictures import (
    BLUE,
    FONT,
    GREEN,
    WHITE,
    YELLOW,
    Look,
    draw_plate,
    draw_two_lines,
    on_vehicle,
)
from benchmarks.measure import percentile, quick_requested, report
from search.attributes.clothing import clothing_colors
from search.attributes.describe import Describer
from search.attributes.looks import Box
from search.attributes.looks import Look as Seen
from search.attributes.plates.finding import straighten
from search.attributes.plates.grammar import DIGITS, LETTERS, PROVINCES, form_of
from search.attributes.plates.search import PlateSearch
from search.objects import ObjectClass
from search.passages import Color, ColorFound, Direction, Evidence, Passage, SpeedClass
from search.sampling.decoding import to_picture
from search.tracks.crops import cut

LEGIBLE_PIXELS = 80
IN_BOX = (0.06, 0.1, 0.94, 0.9)
CAMPUS = "pedestrians_h264.mp4"
ONE_BY_ONE = "intel_one-by-one-person-detection.mp4"
# A line each: second, box as shares of the picture, what upper and lower clothes may be called.
PEOPLE = {
    CAMPUS: """
0.6 0.631 0.283 0.670 0.419 black blue
0.6 0.771 0.416 0.824 0.564 black black
13.4 0.814 0.391 0.860 0.538 black black
15.2 0.083 0.159 0.105 0.228 black black
19.8 0.903 0.428 0.959 0.606 black black
12.6 0.820 0.364 0.881 0.514 blue|white|cyan blue|cyan
25.2 0.453 0.392 0.533 0.558 black blue
16.8 0.573 0.366 0.638 0.530 black|blue blue
2.6 0.895 0.448 0.946 0.621 black blue|black
3.2 0.801 0.429 0.853 0.610 black|red|blue black|blue
4.6 0.912 0.464 0.969 0.674 black blue
39.0 0.812 0.494 0.886 0.681 black black
51.2 0.852 0.542 0.926 0.744 black blue
50.8 0.938 0.403 0.984 0.575 black black
70.0 0.526 0.263 0.553 0.357 red blue|black
66.0 0.891 0.510 0.945 0.715 blue grey|black
75.8 0.291 0.335 0.321 0.429 black black
54.6 0.819 0.513 0.874 0.706 black black
46.8 0.887 0.519 0.945 0.742 black blue
52.8 0.480 0.689 0.601 0.986 red|blue|black black|blue
57.2 0.215 0.720 0.299 0.977 black black|blue
79.0 0.783 0.456 0.837 0.647 black|brown blue
42.6 0.917 0.479 0.986 0.658 red blue|black
72.8 0.661 0.346 0.714 0.530 black|grey blue
""",
    ONE_BY_ONE: """
15.8 0.500 0.038 0.669 0.910 grey black|grey
43.2 0.496 0.007 0.718 0.891 black black
68.8 0.532 0.029 0.863 0.915 black black
85.6 0.609 0.110 0.845 0.915 black black
116.6 0.500 0.022 0.681 0.881 grey black
134.6 0.529 0.017 0.836 0.892 grey blue
""",
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """Somebody in a clip, and what their clothes may be called."""

    at_s: float
    box: Box
    upper: str
    lower: str


def main() -> None:
    """Run the benchmark."""
    quick = quick_requested(__doc__)
    if FONT.exists():
        plates(60 if quick else 600)
    else:
        print("no font: install fonts-noto-cjk", file=sys.stderr)
    folder = Path(os.environ.get("GRIDSIGHT_SHARED") or Path(__file__).parents[2] / "shared")
    for clip, people in PEOPLE.items():
        if (folder / "footage" / clip).is_file():
            clothes(folder / "footage" / clip, _labelled(people))


def plates(count: int) -> None:
    """How many plates are told, how many of them rightly, and at what cost."""
    chance, numbers = random.Random(21), np.random.default_rng(21)
    describer, search = Describer(threads=1), PlateSearch(threads=1)
    told, right, wrong_by_one, told_by_one = 0, 0, 0, 0
    sure: list[bool] = []
    legible: list[bool] = []
    milliseconds: list[float] = []
    for _ in range(count):
        text, looks, narrowest = _vehicle(chance, numbers)
        passage = _passage(ObjectClass.CAR, looks)
        began = time.process_time()
        attributes = describer.describe(passage)
        milliseconds.append((time.process_time() - began) * 1000)
        found = attributes.plate
        if narrowest >= LEGIBLE_PIXELS and len(looks) > 1:
            legible.append(found is not None)
        if found is not None:
            told += 1
            matches = len(found.value) == len(text) and all(
                one in (other, "?") for one, other in zip(found.value, text, strict=True)
            )
            right += matches
            if found.confidence >= 0.7:
                sure.append(matches)
        alone = _surest_of_one_picture(search, looks)
        if alone is not None:
            told_by_one += 1
            wrong_by_one += alone != text
    report("search_plates_told_percent", 100 * told / count, "%", n=count, better="higher")
    report(
        "search_plates_told_legible_percent",
        100 * sum(legible) / max(1, len(legible)),
        "%",
        n=len(legible),
        better="higher",
        note=f"of those {LEGIBLE_PIXELS} pixels wide and more, in two pictures and more",
    )
    report(
        "search_plates_told_wrongly_percent",
        100 * (told - right) / max(1, told),
        "% of told",
        n=told,
        peer="the surest reader of the best picture alone",
        peer_value=100 * wrong_by_one / max(1, told_by_one),
    )
    report(
        "search_plates_wrong_at_0.7_percent",
        100 * (len(sure) - sum(sure)) / max(1, len(sure)),
        "% of told",
        n=len(sure),
        note="of those with a confidence of 0.7 and more",
    )
    report("search_describe_vehicle_p50_ms", percentile(milliseconds, 50), "ms", n=count, target=60)
    report("search_describe_vehicle_p95_ms", percentile(milliseconds, 95), "ms", n=count)


def clothes(clip: Path, people: list[Labelled]) -> None:
    """How many colours of clothing people would call the same, from one picture each."""
    right = told = 0
    milliseconds: list[float] = []
    for look, label in _people(clip, people):
        began = time.process_time()
        found = clothing_colors([look])
        milliseconds.append((time.process_time() - began) * 1000)
        for color, allowed in zip(found, (label.upper, label.lower), strict=True):
            if color is not None and color.color is not Color.UNKNOWN:
                told += 1
                right += _is_called(color, allowed)
    name = clip.stem.split("_")[0] if clip.name == CAMPUS else "one_by_one"
    report(f"search_clothing_{name}_percent", 100 * right / told, "%", n=told, better="higher")
    report(f"search_describe_person_{name}_ms", percentile(milliseconds, 50), "ms", n=len(people))


def _is_called(found: ColorFound, allowed: str) -> bool:
    return found.color.name.lower() in allowed.split("|")


def _labelled(lines: str) -> list[Labelled]:
    people = []
    for line in lines.split("\n"):
        if line:
            at, left, top, right, bottom, upper, lower = line.split()
            box = (float(left), float(top), float(right), float(bottom))
            people.append(Labelled(float(at), box, upper, lower))
    return sorted(people, key=lambda one: one.at_s)


def _people(clip: Path, people: list[Labelled]) -> Iterator[tuple[Seen, Labelled]]:
    waiting = list(people)
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            while waiting and frame.time is not None and frame.time >= waiting[0].at_s - 0.01:
                label = waiting.pop(0)
                yield cut(to_picture(frame), label.box, 1024), label


def _vehicle(chance: random.Random, numbers: np.random.Generator) -> tuple[str, list[Seen], int]:
    """A plate's text, one to five looks at a drawn vehicle with it, and how wide it is at least."""
    office = chance.choice(PROVINCES) + chance.choice(LETTERS)
    rest = "".join(
        chance.choice(DIGITS if chance.random() < 0.75 else DIGITS + LETTERS) for _ in range(5)
    )
    match chance.randrange(7):
        case 0:
            text = office + "D" + "".join(chance.choice(DIGITS) for _ in range(5))
            plate = draw_plate(text, GREEN)
        case 1:
            text = office + rest[:4] + "学"
            plate = draw_plate(text, YELLOW)
        case 2:
            text = office + rest[:4] + chance.choice(["挂", rest[4]])
            plate = draw_two_lines(text, YELLOW)
        case 3:
            text = office + rest[:4] + "警"
            plate = draw_plate(text, WHITE)
        case _:
            text = office + rest
            plate = draw_plate(text, BLUE)
    red, green, blue = (int(one) for one in numbers.integers(20, 230, 3))
    width, yaw = chance.choice([40, 60, 80, 110, 150]), chance.uniform(-0.12, 0.12)
    light, blur = chance.uniform(0.2, 1), chance.uniform(0, 1.2)
    noise = chance.uniform(0, 14)
    looks = [
        Look(
            width=round(width * chance.uniform(0.75, 1)),
            yaw=yaw + chance.uniform(-0.05, 0.05),
            roll=chance.uniform(-0.2, 0.2),
            noise=noise,
            blur=blur * chance.uniform(0.6, 1.3),
            light=light,
        )
        for _ in range(chance.choice([1, 2, 3, 5]))
    ]
    seen = [(on_vehicle(plate, one, numbers, (blue, green, red)), IN_BOX) for one in looks]
    return text, seen, min(one.width for one in looks)


def _surest_of_one_picture(search: PlateSearch, looks: list[Seen]) -> str | None:
    """What is told without agreement: of the best picture, the surest reading that is a plate's."""
    crop, box = looks[0]
    found = search._plate_of(crop, box, None)
    if found is None:
        return None
    readings, _ = search._readings(straighten(crop, found), None)
    fitting = [one for one in readings if form_of(one.text) is not None]
    if not fitting:
        return None
    return max(fitting, key=lambda one: float(one.characters.max(axis=1).mean())).text


def _passage(object_class: ObjectClass, looks: list[Seen]) -> Passage:
    return Passage(
        id=1,
        camera_id="road",
        first_us=0,
        last_us=1_000_000,
        object_class=object_class,
        confidence=0.8,
        best_us=0,
        box=(0.4, 0.3, 0.5, 0.7),
        crop=looks[0][0],
        path=[],
        direction=Direction.DOWN,
        speed=SpeedClass.MEDIUM,
        monochrome=False,
        model="drawn",
        evidence=[Evidence(number, crop, box, 0.8) for number, (crop, box) in enumerate(looks)],
    )


if __name__ == "__main__":
    main()
