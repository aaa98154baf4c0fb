"""Whether the gated pipeline found the passages of the ungated one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from benchmarks._search_footage import Coded, box_at
from search.objects import Frame
from search.passages import Passage
from search.pipeline import Pipeline
from search.sampling.decoding import PictureDecoder, is_monochrome, to_picture
from search.sampling.sampler import FrameSampler

MOVING_FPS = 5.0
_SAME = 0.3
_AT_ONCE = 8


def every_frame(coded: Coded, camera_id: str = "cam") -> Iterator[Frame]:
    """Five pictures a second, whatever they show: what a gate is measured against."""
    track, units = coded
    decoder = PictureDecoder(track)
    due_us = 0
    for unit in units:
        for at_us, picture in decoder.decode(unit):
            if at_us >= due_us:
                due_us = at_us + round(1e6 / MOVING_FPS * 0.9)
                yield Frame(camera_id, at_us, to_picture(picture), is_monochrome(picture))


def gated_frames(coded: Coded, sampler: FrameSampler) -> list[Frame]:
    """What the gate lets through."""
    track, units = coded
    sampler.start((track,))
    frames = [frame for unit in units for frame in sampler.push(unit)]
    return frames + sampler.flush()


def passages_of(frames: Iterable[Frame], pipeline: Pipeline) -> list[Passage]:
    """All passages in these frames of one camera; of one handed on early, its end."""
    found: dict[int, Passage] = {}
    waiting: list[Frame] = []
    camera_id = "cam"

    def take(passages: Sequence[Passage]) -> None:
        found.update({one.id: one for one in passages})

    for frame in frames:
        camera_id = frame.camera_id
        waiting.append(frame)
        if len(waiting) == _AT_ONCE:
            take(pipeline.add(waiting))
            waiting = []
    take(pipeline.add(waiting))
    take(pipeline.finish(camera_id))
    return list(found.values())


def missed(truth: Sequence[Passage], found: Sequence[Passage]) -> list[Passage]:
    """Those of ``truth`` that none of ``found`` is: a person or none, at a common time, in about
    the same place.
    """
    return [one for one in truth if not any(_same(one, other) for other in found)]


def _same(one: Passage, other: Passage) -> bool:
    from_us, until_us = max(one.first_us, other.first_us), min(one.last_us, other.last_us)
    if from_us > until_us or (one.object_class == "person") != (other.object_class == "person"):
        return False
    return any(
        _overlap(
            box_at(one.path, (at_us - one.first_us) / 1000),
            box_at(other.path, (at_us - other.first_us) / 1000),
        )
        > _SAME
        for at_us in np.linspace(from_us, until_us, 9)
    )


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return common / (sum(areas) - common)
