"""What every detector can do, and what it says when it cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from search.objects import Detections, ObjectClass, Picture

BELIEVED = 0.35
"""From this score on a finding is to be believed that nothing but one picture speaks for."""


class ModelRefused(Exception):
    """A file is no detector that can be used here; the message says why, and what to do."""


class DetectionFailed(Exception):
    """A model that was loaded failed at these pictures: none of them was looked at."""


class Detector(Protocol):
    """A loaded model, warm. Not thread-safe: one thread uses it."""

    @property
    def name(self) -> str:
        """What rows of the index call the model by, such as ``nanodet_g_qdq``."""

    @property
    def classes(self) -> frozenset[ObjectClass]:
        """What it can find; never empty."""

    @property
    def possible(self) -> Mapping[ObjectClass, tuple[ObjectClass, ...]]:
        """What an object of a class may be besides, by what this model cannot tell apart."""

    @property
    def score(self) -> float:
        """Nothing that is less sure than this is told. Unless another was asked for it is not above
        BELIEVED: trackers go on with known objects by less (Zhang et al., ByteTrack, 2022)."""

    @property
    def provider(self) -> str:
        """What it runs on: ``cpu``, ``cuda``, ``tensorrt``, ``openvino``."""

    @property
    def batch(self) -> int:
        """How many pictures go through the model at once; 1 where it takes one by one."""

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        """What is in each picture, in the same order; pictures may differ in size.

        Of one object there is one box, also where a model takes it for a car and a truck. Raises
        DetectionFailed when the model fails, or gives what is no number; it may be used again.
        """
