"""What of which camera was looked at, and what was missed: merged until it is written. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.analysis.mailboxes import Missed

# Closer stretches are one: pictures and groups of them have distances.
SEAM_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Indexed:
    """[``start_us``, ``end_us``) of a camera was looked at."""

    camera_id: str
    start_us: int
    end_us: int


class Spans:
    """Collects until :meth:`take`. What cannot be written is put back and given once more."""

    def __init__(self) -> None:
        self._indexed: dict[str, list[Indexed]] = {}
        self._missed: dict[tuple[str, str], list[Missed]] = {}

    def indexed(self, span: Indexed) -> None:
        """This was looked at."""
        if span.end_us <= span.start_us:
            return
        known = self._indexed.setdefault(span.camera_id, [])
        if known and self._is_seam(span.camera_id, known[-1].end_us, span.start_us):
            known[-1] = Indexed(span.camera_id, known[-1].start_us, span.end_us)
        else:
            known.append(span)

    def missed(self, spans: Iterable[Missed]) -> None:
        """These were not."""
        for span in spans:
            if span.end_us <= span.start_us:
                continue
            known = self._missed.setdefault((span.camera_id, span.cause), [])
            if known and 0 <= span.start_us - known[-1].end_us <= SEAM_US:
                known[-1] = Missed(span.camera_id, known[-1].start_us, span.end_us, span.cause)
            else:
                known.append(span)

    def _is_seam(self, camera_id: str, end_us: int, start_us: int) -> bool:
        """Whether nothing lies in between but the time from one picture to the next."""
        if not 0 <= start_us - end_us <= SEAM_US:
            return False
        return not any(
            span.start_us < start_us and span.end_us > end_us
            for (missing, _), spans in self._missed.items()
            if missing == camera_id
            for span in reversed(spans)
        )

    def take(self) -> tuple[list[Indexed], list[Missed]]:
        """Everything, which is then forgotten here."""
        indexed = [span for spans in self._indexed.values() for span in spans]
        missed = [span for spans in self._missed.values() for span in spans]
        self._indexed, self._missed = {}, {}
        return indexed, missed

    def put_back(self, indexed: Iterable[Indexed], missed: Iterable[Missed]) -> None:
        """They could not be written: give them first next time."""
        newer = self.take()
        for span in indexed:
            self.indexed(span)
        self.missed(missed)
        for span in newer[0]:
            self.indexed(span)
        self.missed(newer[1])
