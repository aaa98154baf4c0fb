"""How analysis is doing: for people, for Prometheus, for alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gateway.analysis.live import LiveCamera, LiveFeeds
from gateway.analysis.mailboxes import Mailboxes
from gateway.analysis.recorded import RecordedFootage
from gateway.analysis.results import Results
from gateway.analysis.turns import Turns
from gateway.analysis.worker_process import Ready
from gateway.identifiers import US_PER_S, now_us
from gateway.settings.analysis import SearchSettings


class Report:
    """Asked, it looks; nothing is counted twice."""

    def __init__(
        self,
        settings: SearchSettings,
        feeds: LiveFeeds,
        mailboxes: Mailboxes,
        turns: Sequence[Turns],
        results: Results,
        recorded: RecordedFootage,
    ) -> None:
        self._settings = settings
        self._feeds = feeds
        self._mailboxes = mailboxes
        self._turns = turns
        self._results = results
        self._recorded = recorded

    def status(self) -> dict[str, Any]:
        """Everything, camera by camera."""
        at_us = now_us()
        ready = self._ready()
        return {
            "at_us": at_us,
            "enabled": self._settings.enabled,
            "model": ready.model if ready is not None else None,
            "provider": ready.provider if ready is not None else None,
            "classes": list(ready.classes) if ready is not None else [],
            "vector_kind": ready.vector_kind if ready is not None else None,
            "message": self.message(),
            "workers": [_worker(turns) for turns in self._turns],
            "cameras": [self._camera(one, at_us) for one in self._feeds.cameras.values()],
            "waiting_passages": self._results.waiting,
            "found": self._results.found,
            "footage": {
                "message": self._recorded.message,
                "pictures": self._recorded.pictures,
                "passages": self._recorded.passages,
                "current": [
                    {**asdict(stretch), "worker": worker}
                    for worker, stretch in self._recorded.current.items()
                ],
            },
        }

    def figures(self) -> dict[str, Any]:
        """In all, as numbers."""
        at_us = now_us()
        lags = [self._lag_s(one.camera_id, at_us) for one in self._feeds.cameras.values()]
        return {
            "analysis": {
                "cameras": len(self._feeds.cameras),
                "cameras_live": sum(one.state == "live" for one in self._feeds.cameras.values()),
                "worst_lag_s": max(lags, default=0.0),
                "waiting_bytes": self._mailboxes.bytes,
                "dropped_units": self._dropped(),
                "pictures": sum(turns.pictures for turns in self._turns),
                "failed_pictures": sum(turns.failed_pictures for turns in self._turns),
                "damaged_units": sum(sum(one.damaged_units.values()) for one in self._turns),
                "undescribed": sum(turns.undescribed for turns in self._turns),
                "skipped_batches": sum(turns.skipped_batches for turns in self._turns),
                "passages": self._results.found,
                "footage_pictures": self._recorded.pictures,
                "footage_passages": self._recorded.passages,
                "workers": len(self._turns),
                "workers_ready": sum(turns.worker.state == "ready" for turns in self._turns),
                "worker_restarts": sum(turns.worker.restarts for turns in self._turns),
                "worker_bytes": sum(turns.worker.memory_bytes for turns in self._turns),
                "message": self.message(),
            }
        }

    def message(self) -> str:
        """What is wrong, in one line; empty where nothing is."""
        if not self._settings.enabled:
            return "search.enabled is false: no camera is looked at"
        told = [self._results.message, *(turns.worker.message for turns in self._turns)]
        return next((one for one in told if one), "")

    def _ready(self) -> Ready | None:
        return next((turns.worker.ready for turns in self._turns if turns.worker.ready), None)

    def _dropped(self) -> int:
        skipped = sum(one.skipped_units for one in self._feeds.cameras.values())
        return self._mailboxes.dropped_units + skipped

    def _camera(self, camera: LiveCamera, at_us: int) -> dict[str, Any]:
        box = self._mailboxes.box(camera.camera_id)
        return {
            "camera_id": camera.camera_id,
            "state": camera.state,
            "detail": camera.detail,
            "since_us": camera.since_us,
            "variant": camera.variant,
            "looked_until_us": self._looked_until_us(camera.camera_id),
            "lag_s": self._lag_s(camera.camera_id, at_us),
            "waiting_units": box.units if box is not None else 0,
            "dropped_units": camera.skipped_units + (box.dropped_units if box is not None else 0),
            "damaged_units": sum(
                turns.damaged_units.get(camera.camera_id, 0) for turns in self._turns
            ),
        }

    def _looked_until_us(self, camera_id: str) -> int | None:
        known = [turns.looked_until_us.get(camera_id) for turns in self._turns]
        return next((one for one in known if one is not None), None)

    def _lag_s(self, camera_id: str, at_us: int) -> float:
        """How old the oldest picture is that waits; 0 where none does."""
        box = self._mailboxes.box(camera_id)
        oldest_us = box.oldest_us if box is not None else None
        return 0.0 if oldest_us is None else round(max(0, at_us - oldest_us) / US_PER_S, 1)


def _worker(turns: Turns) -> dict[str, Any]:
    worker = turns.worker
    return {
        "name": worker.name,
        "state": worker.state,
        "message": worker.message,
        "last_fault": turns.last_fault,
        "process_id": worker.process_id,
        "restarts": max(0, worker.restarts),
        "memory_bytes": worker.memory_bytes,
        "busy": round(worker.busy_share(), 3),
        "pictures": turns.pictures,
        "pictures_per_s": turns.pictures_per_s(),
        "failed_pictures": turns.failed_pictures,
        "undescribed": turns.undescribed,
        "skipped_batches": turns.skipped_batches,
    }
