"""From pictures to passages: detector, trackers, what objects look like. Runs in one thread."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from search.appearance.embed import Embedder, embed_passages
from search.attributes.describe import Describer
from search.detectors.interface import Detector
from search.objects import Detections, Frame
from search.passages import Passage
from search.tracks.tracker import LiveBox, PassageTracker
from search.zones.watch import Happening
from search.zones.zone import Zone

_log = logging.getLogger(__name__)

# Pictures given to the detector at once: more fill its caches, not its threads.
BATCH = 8


class Pipeline:
    """Several cameras through one detector. Each camera's frames come in the order of time.

    Frames at which the detector fails twice are left out: ``faults`` has them, and ``fault`` says
    why. A passage that cannot be described is given without attributes or vector, and counted in
    ``undescribed``; one without attributes says so itself.
    """

    def __init__(self, detector: Detector, describer: Describer, embedder: Embedder) -> None:
        self.undescribed = 0
        self.detected = 0
        self.faults: list[tuple[str, int]] = []
        self.fault = ""
        self._detector = detector
        self._describer = describer
        self._embedder = embedder
        self._possible = detector.possible
        self._trackers: dict[str, PassageTracker] = {}
        self._zones: dict[str, tuple[Zone, ...]] = {}
        self._newest_us: dict[str, int] = {}
        self._happenings: list[tuple[str, Happening]] = []

    def add(self, frames: Sequence[Frame]) -> list[Passage]:
        """Look at frames; gives the passages that ended, and those that have lasted long (see
        :meth:`search.tracks.tracker.PassageTracker.update`).
        """
        ended: list[Passage] = []
        for at in range(0, len(frames), BATCH):
            batch = frames[at : at + BATCH]
            for frame, found in zip(batch, self._detect(batch), strict=True):
                if found is None:
                    continue
                tracker = self._tracker(frame.camera_id)
                ended += tracker.update(frame, found)
                self._hear(frame.camera_id, tracker)
                self._newest_us[frame.camera_id] = frame.at_us
        return self._described(ended)

    def finish(self, camera_id: str) -> list[Passage]:
        """No more frames of this camera follow, or none for a long time: end what is under way."""
        tracker = self._trackers.pop(camera_id, None)
        if tracker is None:
            return []
        ended = tracker.finish()
        self._hear(camera_id, tracker)
        return self._described(ended)

    def current(self, camera_id: str) -> list[LiveBox]:
        """Where objects are in the camera's newest frame."""
        tracker = self._trackers.get(camera_id)
        return [] if tracker is None else tracker.current()

    def newest_us(self, camera_id: str) -> int | None:
        """When the camera's newest frame was taken."""
        return self._newest_us.get(camera_id)

    def forget(self, camera_id: str) -> None:
        """Give up what is under way of this camera."""
        self._trackers.pop(camera_id, None)
        self._zones.pop(camera_id, None)
        self._newest_us.pop(camera_id, None)

    def set_zones(self, camera_id: str, zones: Sequence[Zone]) -> None:
        """The camera's lines and zones, from its next frame on."""
        self._zones[camera_id] = tuple(zones)
        tracker = self._trackers.get(camera_id)
        if tracker is not None:
            tracker.set_zones(self._zones[camera_id])
            self._hear(camera_id, tracker)

    def happenings(self) -> list[tuple[str, Happening]]:
        """What happened in zones since this was asked last: camera id, and what."""
        told, self._happenings = self._happenings, []
        return told

    def _hear(self, camera_id: str, tracker: PassageTracker) -> None:
        self._happenings += [(camera_id, one) for one in tracker.happenings()]

    def _detect(self, frames: Sequence[Frame]) -> list[Detections | None]:
        """None for those at which the detector fails, all together and each alone."""
        found: list[Detections | None]
        try:
            found = [*self._detector.detect([frame.picture for frame in frames])]
            self.detected += len(frames)
        except Exception:
            found = [self._detect_alone(frame) for frame in frames]
        return found

    def _detect_alone(self, frame: Frame) -> Detections | None:
        try:
            (found,) = self._detector.detect([frame.picture])
        except Exception as error:
            self.faults.append((frame.camera_id, frame.at_us))
            self.fault = f"{type(error).__name__}: {error}"
            return None
        self.detected += 1
        return found

    def _tracker(self, camera_id: str) -> PassageTracker:
        tracker = self._trackers.get(camera_id)
        if tracker is None:
            tracker = self._trackers[camera_id] = PassageTracker(
                camera_id,
                model=self._detector.name,
                possible=self._possible,
                zones=self._zones.get(camera_id, ()),
            )
        return tracker

    def _described(self, passages: list[Passage]) -> list[Passage]:
        for passage in passages:
            try:
                passage.attributes = self._describer.describe(passage)
            except Exception:
                self.undescribed += 1
                passage.undescribed = True
                _log.exception("a passage cannot be described: %s", passage.id)
        if passages:
            self._embed(passages)
        return passages

    def _embed(self, passages: list[Passage]) -> None:
        try:
            embed_passages(self._embedder, passages)
        except Exception:
            self.undescribed += len(passages)
            _log.exception("passages cannot be compared by their looks")
