"""Variants that are made from others by the transcoder: on demand, shared, stopped when idle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from camera_adapters.stream import Stream, Variant
from gateway.masks import Polygons
from gateway.shard.on_demand import IDLE_CLOSE_S, IdleTimer
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.live_variant import LiveVariant, QueuePosition

DERIVED = frozenset({Variant.H264, Variant.MASKED, Variant.OPUS})

# What it is made from (which it keeps alive), and what is made.
_Key = tuple[int, Variant]


@dataclass(slots=True)
class _Held:
    base: Stream
    live: LiveVariant
    idle: IdleTimer


class DerivedVariants:
    """``on_queue`` is told where a variant waits for a place in the transcoder (None: no more)."""

    def __init__(
        self,
        transcoder: TranscoderClient,
        on_queue: Callable[[str, Variant, QueuePosition | None], None],
        *,
        idle_s: float = IDLE_CLOSE_S,
    ) -> None:
        self._transcoder = transcoder
        self._on_queue = on_queue
        self._idle_s = idle_s
        self._held: dict[_Key, _Held] = {}
        self._masks: Mapping[str, Polygons] = {}

    def cover(self, masks: Mapping[str, Polygons]) -> bool:
        """Take the masks as they are now, by camera; gives whether any have changed. What is being
        made with others begins anew.
        """
        before, self._masks = self._masks, masks
        for held in tuple(self._held.values()):
            now = masks.get(held.base.camera_id, ())
            is_masked = held.live.output.variant is Variant.MASKED
            if is_masked and before.get(held.base.camera_id, ()) != now:
                held.live.cover(now)
        return before != masks

    def masks(self, camera_id: str) -> Polygons:
        """The camera's masks; () where nothing is masked."""
        return self._masks.get(camera_id, ())

    def get(self, base: Stream, variant: Variant) -> Stream:
        """The Stream of ``variant`` made from ``base``. It lives while it has sinks and some
        seconds longer, or until ``base`` is closed."""
        key = (id(base), variant)
        held = self._held.get(key)
        if held is not None and held.live.output.closed:
            self._end(key)
            held = None
        if held is None:
            held = self._make(key, base)
        return held.live.output

    def find(self, camera_id: str, variant: Variant) -> LiveVariant | None:
        """The variant made from a Stream of the camera, if it is being made now: from the main one
        before others."""
        made = [
            held
            for held in self._held.values()
            if held.base.camera_id == camera_id and held.live.output.variant is variant
        ]
        made.sort(key=lambda held: held.base.variant is not Variant.MAIN)
        return made[0].live if made else None

    def existing(self) -> list[LiveVariant]:
        """Everything that is being made now."""
        return [held.live for held in self._held.values()]

    def close(self) -> None:
        """End all of them."""
        for key in tuple(self._held):
            self._end(key)

    def _make(self, key: _Key, base: Stream) -> _Held:
        camera_id, variant = base.camera_id, key[1]
        live = LiveVariant(
            base,
            variant,
            self._transcoder,
            lambda queue: self._on_queue(camera_id, variant, queue),
            self._masks.get(camera_id, ()) if variant is Variant.MASKED else (),
        )
        idle = IdleTimer(lambda: self._end(key), self._idle_s)
        held = self._held[key] = _Held(base, live, idle)
        live.output.on_sinks_changed = lambda output: idle.used() if output.sinks else idle.unused()
        idle.unused()
        base.attach(live, replay_gop=False)
        return held

    def _end(self, key: _Key) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            held.idle.close()
            held.live.close()
