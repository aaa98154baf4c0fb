"""What a worker does, without its socket: coded pictures in, passages as messages out.

A stream is ``live``, or one stretch of recorded footage, whose cameras are tracked apart from the
live ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from gateway.transcoder.wire import track_from_wire, units_from_wire
from search.appearance.embed import Embedder
from search.attributes.describe import Describer
from search.detectors.interface import Detector, ModelRefused
from search.index.messages import to_message
from search.objects import Frame
from search.passages import Passage
from search.pipeline import Pipeline
from search.sampling.sampler import FrameSampler
from search.zones.document import ZoneRefused, happening_message, zone_from_document

_log = logging.getLogger(__name__)

LIVE = "live"
JPEG_QUALITY = 88
_FRAMES_AT_ONCE = 16
_WALL_US = 5


@dataclass(slots=True)
class _Stream:
    pipeline: Pipeline
    samplers: dict[str, FrameSampler] = field(default_factory=dict)
    # By camera: the version of those that hold.
    zones: dict[str, int] = field(default_factory=dict)
    # By camera: since when the detector has failed at all that it was given.
    failing_us: dict[str, int] = field(default_factory=dict)


class Analyst:
    """One thread's work. What raises here is a fault of this program, not of a model."""

    def __init__(
        self,
        detector: Detector,
        describer: Describer,
        embedder: Embedder,
        *,
        load_named: Callable[[str], Detector] | None = None,
        moving_fps: float = 5.0,
        keyframes_only: bool = False,
        sampler: Callable[..., FrameSampler] = FrameSampler,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self._describer = describer
        self._moving_fps = moving_fps
        self._keyframes_only = keyframes_only
        self._sampler = sampler
        self._streams: dict[str, _Stream] = {}
        self._load_named = load_named
        # The other detector that footage is looked at with now.
        self._named: tuple[str, Detector] | None = None

    def named(self, name: str) -> Detector:
        """Another detector than that for live pictures, loaded where it was not the last one.
        Raises ModelRefused.
        """
        if self._named is None or self._named[0] != name:
            if self._load_named is None:
                raise ModelRefused(f"there is no model called {name}")
            # Two at once may be more than there is memory for.
            self._named = None
            self._named = (name, self._load_named(name))
        return self._named[1]

    def forget(self, name: str, camera_id: str) -> None:
        """The camera goes elsewhere, or the stretch is over: what is under way is given up."""
        stream = self._streams.get(name)
        if stream is None:
            return
        sampler = stream.samplers.pop(camera_id, None)
        if sampler is not None:
            sampler.close()
        stream.pipeline.forget(camera_id)
        stream.zones.pop(camera_id, None)
        stream.failing_us.pop(camera_id, None)
        if not stream.samplers:
            del self._streams[name]
        if not self._streams.keys() - {LIVE}:
            # No footage is looked at any more: what stays would be memory of live pictures.
            self._named = None

    def round(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Look at what waited: ``{number, stream, cameras: [[camera_id, items]], watched, zones}``
        (and ``model``, for a stream that another detector looks at: :meth:`named`),
        items as of :class:`gateway.analysis.mailboxes.Mailbox`, zones by camera as of
        :class:`gateway.zones.zone_reader.ZonesOfCameras`; gives the reply.

        ``unseen`` in it: ``[camera_id, start_us, end_us]`` of which there was no picture, or at
        whose pictures the detector failed. ``lost``: the same of passages that cannot be kept.
        """
        began = time.perf_counter()
        stream = self._stream(request["stream"], request.get("model"))
        cameras = [camera_id for camera_id, _ in request["cameras"]]
        for camera_id, zones in request["zones"].items():
            _set_zones(stream, camera_id, zones)
        detected_before = stream.pipeline.detected
        undescribed_before = stream.pipeline.undescribed
        passages: list[Passage] = []
        frames: list[Frame] = []
        wishes: dict[str, list[Any]] = {}
        unseen: list[list[Any]] = []
        damaged: dict[str, int] = {}
        for camera_id, items in request["cameras"]:
            sampler = self._sampler_of(stream, request["stream"], camera_id)
            damaged_before = sampler.counters.damaged
            for kind, item in items:
                frames += self._sampled(sampler, kind, item)
                if kind == "end" or len(frames) >= _FRAMES_AT_ONCE:
                    passages += stream.pipeline.add(frames)
                    frames = []
                if kind == "end":
                    passages += stream.pipeline.finish(camera_id)
            if (wish := sampler.wish()) is not None:
                wishes[camera_id] = [wish.open_until_us, wish.settle]
            unseen += [[camera_id, *one] for one in sampler.take_unseen()]
            if sampler.counters.damaged > damaged_before:
                damaged[camera_id] = sampler.counters.damaged - damaged_before
        passages += stream.pipeline.add(frames)
        faults, stream.pipeline.faults = stream.pipeline.faults, []
        unseen += _failing(stream, request["cameras"], faults)
        messages, lost = _messages(passages)
        return {
            "type": "round",
            "number": request["number"],
            "passages": messages,
            "unseen": unseen,
            "lost": lost,
            "damaged": damaged,
            "undescribed": stream.pipeline.undescribed - undescribed_before,
            "happenings": [happening_message(*one) for one in stream.pipeline.happenings()],
            "wishes": wishes,
            "boxes": {
                one: boxes_message(stream.pipeline, one)
                for one in request["watched"]
                if one in cameras
            },
            "detected": stream.pipeline.detected - detected_before,
            "faults": faults,
            "fault": stream.pipeline.fault,
            "spent_s": time.perf_counter() - began,
        }

    def _stream(self, name: str, model: str | None) -> _Stream:
        stream = self._streams.get(name)
        if stream is None:
            detector = self.detector if model is None else self.named(model)
            pipeline = Pipeline(detector, self._describer, self.embedder)
            stream = self._streams[name] = _Stream(pipeline)
        return stream

    def _sampler_of(self, stream: _Stream, name: str, camera_id: str) -> FrameSampler:
        sampler = stream.samplers.get(camera_id)
        if sampler is None:
            sampler = stream.samplers[camera_id] = self._sampler(
                camera_id,
                moving_fps=self._moving_fps,
                keyframes_only=self._keyframes_only,
                gated=name == LIVE,
            )
        return sampler

    @staticmethod
    def _sampled(sampler: FrameSampler, kind: str, item: Any) -> list[Frame]:
        match kind:
            case "run":
                frames = sampler.flush()
                sampler.start(tuple(track_from_wire(track) for track in item))
                return frames
            case "unit":
                return sampler.push(units_from_wire([item])[0])
            case "break":
                sampler.skip()
                return []
            case _:
                return sampler.flush()


def _set_zones(stream: _Stream, camera_id: str, zones: Mapping[str, Any]) -> None:
    if stream.zones.get(camera_id) == zones["version"]:
        return
    readable = []
    for document in zones["zones"]:
        try:
            readable.append(zone_from_document(document))
        except ZoneRefused as error:
            _log.warning("a zone of %s cannot be watched: %s", camera_id, error)
    stream.pipeline.set_zones(camera_id, readable)
    stream.zones[camera_id] = zones["version"]


def _failing(
    stream: _Stream, cameras: Iterable[Any], faults: Iterable[tuple[str, int]]
) -> list[list[Any]]:
    """From the first picture at which the detector fails up to the next at which it does not:
    nothing is known of what lies between, though no other picture was thought worth its time.
    """
    failed: dict[str, list[int]] = {}
    for camera_id, at_us in faults:
        failed.setdefault(camera_id, []).append(at_us)
    unseen: list[list[Any]] = []
    for camera_id, items in cameras:
        times = failed.get(camera_id, [])
        since_us = stream.failing_us.pop(camera_id, None)
        if since_us is None and not times:
            continue
        since_us = min(times) if since_us is None else since_us
        seen_us = stream.pipeline.newest_us(camera_id) or 0
        if seen_us > max(times, default=since_us):
            unseen.append([camera_id, since_us, seen_us])
            continue
        stream.failing_us[camera_id] = since_us
        until_us = max((item[_WALL_US] + 1 for kind, item in items if kind == "unit"), default=0)
        if until_us > since_us:
            unseen.append([camera_id, since_us, until_us])
            stream.failing_us[camera_id] = until_us
    return unseen


def _messages(passages: Iterable[Passage]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """The passages, and of which times there were some that cannot be told."""
    messages: list[dict[str, Any]] = []
    lost: list[list[Any]] = []
    for passage in passages:
        try:
            messages.append(passage_message(passage))
        except Exception:
            _log.exception("a passage cannot be kept: %s", passage.id)
            lost.append([passage.camera_id, passage.first_us, passage.last_us + 1])
    return messages, lost


def passage_message(passage: Passage) -> dict[str, Any]:
    """A passage as it goes to who keeps it: the row's columns but for where the crop lies, the
    crop as JPEG, the vector as bytes; ``undescribed``: nobody could tell what it looks like.
    """
    done, jpeg = cv2.imencode(".jpg", passage.crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"a crop of {passage.crop.shape} cannot be a JPEG")
    data = jpeg.tobytes()
    return {
        "row": to_message(passage, None),
        "first_us": passage.first_us,
        "last_us": passage.last_us,
        "path": [
            [point.after_ms, point.left, point.top, point.right, point.bottom]
            for point in passage.path
        ],
        "camera_id": passage.camera_id,
        "class": str(passage.object_class),
        "undescribed": passage.undescribed,
        "jpeg": data,
        "vector_kind": passage.vector_kind,
        "vector": (
            None
            if passage.vector is None
            else np.ascontiguousarray(passage.vector, np.float32).tobytes()
        ),
    }


def boxes_message(pipeline: Pipeline, camera_id: str) -> dict[str, Any]:
    """Where objects are in the camera's newest picture."""
    return {
        "at_us": pipeline.newest_us(camera_id),
        "boxes": [
            {
                "passage_id": str(one.passage_id),
                "class": str(one.object_class),
                "box": [round(share, 4) for share in one.box],
                "confidence": round(one.confidence, 3),
            }
            for one in pipeline.current(camera_id)
        ],
    }
