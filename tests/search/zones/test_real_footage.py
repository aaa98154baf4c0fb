"""A line and a region in real footage, followed by the detector that comes with gridsight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from search.detectors.loading import load_detector
from search.objects import Frame, ObjectClass
from search.tracks.tracker import PassageTracker
from search.zones import Rule, RuleKind, Zone, ZoneKind
from search.zones.watch import State

START_US = 1_790_000_000_000_000
PATH_AT_SIGN = ((0.42, 0.62), (0.42, 0.2))
CROSSING = ((0.3, 0.25), (0.95, 0.25), (0.95, 0.75), (0.3, 0.75))


def pictures(clip: Path, until_s: float, fps: float) -> Iterator[Frame]:
    """So many pictures a second of the beginning of a clip."""
    next_s = 0.0
    with av.open(str(clip)) as container:
        for picture in container.decode(video=0):
            at_s = float(picture.time or 0)
            if at_s > until_s:
                return
            if at_s >= next_s:
                next_s += 1 / fps
                pixels = np.ascontiguousarray(picture.to_ndarray(format="bgr24"))
                yield Frame("camera", START_US + round(at_s * 1e6), pixels)


def test_people_who_cross_a_campus(pedestrians_h264: Path) -> None:
    detector = load_detector(None, threads=1)
    zones = [
        Zone("sign", ZoneKind.LINE, PATH_AT_SIGN, (Rule(RuleKind.LINE_CROSSING),)),
        Zone(
            "crossing",
            ZoneKind.REGION,
            CROSSING,
            (Rule(RuleKind.INTRUSION), Rule(RuleKind.CROWD, count=3, seconds=2)),
            frozenset({ObjectClass.PERSON}),
        ),
    ]
    tracker = PassageTracker("camera", model=detector.name, zones=zones)
    passages, told = [], []
    for frame in pictures(pedestrians_h264, 16, 5):
        passages += tracker.update(frame, detector.detect([frame.picture])[0])
        told += tracker.happenings()
    passages += tracker.finish()
    told += tracker.happenings()

    people = [one for one in passages if one.object_class is ObjectClass.PERSON]
    assert 6 <= len(people) <= 20, "ten cross it in these seconds"
    by = Counter((one.kind, one.state) for one in told)
    assert by[RuleKind.LINE_CROSSING, State.PULSE] >= 2
    assert by[RuleKind.INTRUSION, State.BEGIN] == by[RuleKind.INTRUSION, State.END] >= 4
    assert by[RuleKind.CROWD, State.BEGIN] == by[RuleKind.CROWD, State.END] >= 1
    crossed = {crossing.zone_id for one in people for crossing in one.crossings}
    assert crossed == {"sign", "crossing"}
