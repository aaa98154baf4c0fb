"""A device's own recording into a Stream: playback and download (GB/T 28181-2016 §9.8, §9.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from camera_adapters.gb28181.dialogs import FileEnd, MediaDialog, OpenDialog, SessionRefused
from camera_adapters.gb28181.intake import MediaIntake
from camera_adapters.gb28181.media_ports import NoPortLeft
from camera_adapters.gb28181.media_reception import MediaReception, open_reception
from camera_adapters.gb28181.media_terms import MediaOffer, MediaTransport
from camera_adapters.gb28181.recorded_line import RecordedLine
from camera_adapters.gb28181.source import MediaPlace
from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.stream import Stream

_US_PER_S = 1_000_000
SILENCE_S = 10.0
_CHECK_INTERVAL_S = 0.5
# The device says that it has sent all while the last packets are still on their way.
_DRAIN_S = 1.0
# A recording that ends so much before the range does is whole: its last GOP, and clocks' seconds.
_END_TOLERANCE_US = 3 * _US_PER_S


@dataclass(frozen=True, slots=True)
class RecordingEnd:
    """How it ended: ``whole`` when everything came. ``code`` is as for
    :class:`~camera_adapters.retrying.Ending`; ``file_bytes`` is the size that the device told.
    """

    outcome: Literal["whole", "broken"]
    code: str = ""
    line: str = ""
    file_bytes: int | None = None


class GbRecording:
    """Plays [``start_us``, ``end_us``) into ``stream``; units carry the recording's own time.

    :meth:`run` it once, to its end; cancelling it says BYE. The controls work while it runs, and
    raise SessionRefused. The range begins at a whole second, since that is what can be asked for.
    """

    def __init__(
        self,
        stream: Stream,
        open_dialog: OpenDialog,
        transport: MediaTransport,
        place: MediaPlace,
        *,
        start_us: int,
        end_us: int,
        clock: SteadyClock | None = None,
    ) -> None:
        self._start_us = start_us // _US_PER_S * _US_PER_S
        self._end_us = end_us
        self._open_dialog = open_dialog
        self._transport: MediaTransport = transport
        self._place = place
        self._clock = clock or SteadyClock()
        self._line = RecordedLine(stream, self._start_us)
        self._dialog: MediaDialog | None = None
        self._paused = False
        self.on_started: Callable[[], None] = lambda: None

    @property
    def position_us(self) -> int:
        """Where the newest picture was recorded."""
        return self._line.position_us

    async def pause(self) -> None:
        """Have the device wait. Silence is no fault then."""
        await self._control().control("pause")
        self._paused = True

    async def resume(self) -> None:
        """Go on."""
        await self._control().control("resume")
        self._paused = False

    async def seek(self, to_us: int) -> None:
        """Go on at ``to_us``, which is held within the range."""
        to_us = max(self._start_us, min(to_us, self._end_us))
        await self._control().control("seek", from_s=(to_us - self._start_us) / _US_PER_S)
        self._line.seek(to_us)

    async def scale(self, scale: float) -> None:
        """Play ``scale`` times as fast, forwards. Raises ValueError for 0 and backwards."""
        if not scale > 0:
            raise ValueError("a recording is played forwards")
        await self._control().control("scale", scale=scale)
        self._line.scale(scale)

    async def run(self) -> RecordingEnd:
        """Until the end. Raises nothing but cancellation."""
        try:
            reception = open_reception(self._place.pool, self._place.address, self._transport)
        except NoPortLeft as error:
            return RecordingEnd("broken", "no_port", str(error))
        except OSError as error:
            line = f"no media port on {self._place.address}: {error}"
            return RecordingEnd("broken", "no_port", line)
        intake: MediaIntake | None = None
        try:
            offer = MediaOffer(self._place.advertised, reception.port, self._transport)
            async with self._open_dialog(offer) as dialog:
                answer = dialog.answer
                intake = MediaIntake(
                    self._line,
                    CameraClock(),
                    ssrc=answer.ssrc,
                    any_ssrc=answer.any_ssrc,
                    formats=answer.formats,
                    tcp=self._transport != "udp",
                )
                reception.begin(intake, answer, self._clock.now_us)
                self._dialog = dialog
                self.on_started()
                return await self._until_ended(dialog, reception, intake)
        except SessionRefused as error:
            return RecordingEnd("broken", error.code, str(error))
        finally:
            self._dialog = None
            reception.close()
            if intake is not None:
                intake.close()
            self._line.close()

    def _control(self) -> MediaDialog:
        if self._dialog is None:
            raise SessionRefused("not_found", "the recording is not being played")
        return self._dialog

    async def _until_ended(
        self, dialog: MediaDialog, reception: MediaReception, intake: MediaIntake
    ) -> RecordingEnd:
        loop = asyncio.get_running_loop()
        event = asyncio.ensure_future(dialog.next_event())
        heard, heard_at = 0, loop.time()
        file_ended = False
        size = dialog.answer.file_bytes
        try:
            while True:
                await asyncio.wait(
                    (reception.ended,) if file_ended else (event, reception.ended),
                    timeout=_CHECK_INTERVAL_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                now = loop.time()
                if reception.bytes_received != heard or self._paused:
                    heard, heard_at = reception.bytes_received, now
                if not file_ended and event.done():
                    told = event.result()
                    if not isinstance(told, FileEnd):
                        intake.close()
                        return self._judged(told.code, told.line, size)
                    file_ended = True
                if file_ended and (reception.ended.done() or now - heard_at >= _DRAIN_S):
                    return RecordingEnd("whole", file_bytes=size)
                if self.position_us >= self._end_us:
                    return RecordingEnd("whole", file_bytes=size)
                if reception.ended.done():
                    end = reception.ended.result()
                    intake.close()
                    return self._judged(end.code, end.line, size)
                fault = intake.fault
                if fault is not None:
                    return RecordingEnd("broken", fault.code, fault.line, size)
                if now - heard_at >= SILENCE_S:
                    return self._judged("silent", f"no media for {SILENCE_S:.0f} s", size)
        finally:
            event.cancel()

    def _judged(self, code: str, line: str, size: int | None) -> RecordingEnd:
        """Many devices just stop, or say BYE, where the recording ends."""
        if self._line.counters.pictures and self.position_us >= self._end_us - _END_TOLERANCE_US:
            return RecordingEnd("whole", file_bytes=size)
        return RecordingEnd("broken", code, line, size)
