"""A GB/T 28181 channel as a live source: INVITE, media, BYE, and again for as long as it is wanted.

A port is opened before the INVITE and given back behind the BYE. What ends a session, whatever
it is, becomes an interruption with a cause, and the next attempt follows after a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from camera_adapters.gb28181.dialogs import (
    FileEnd,
    MediaDialog,
    OpenDialog,
    SessionRefused,
)
from camera_adapters.gb28181.intake import MediaIntake
from camera_adapters.gb28181.media_ports import NoPortLeft, PortPool
from camera_adapters.gb28181.media_reception import MediaReception, open_reception
from camera_adapters.gb28181.media_terms import MediaOffer, MediaTransport
from camera_adapters.retrying import SILENCE_S, Attempt, Ending, RetryingSource
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.source import SourceState
from camera_adapters.stream import Stream

# An INVITE may take as long as SIP's timer B; silence is judged here, from the answer on.
_WHOLE_SILENCE_S = 60.0
_CHECK_INTERVAL_S = 1.0
_FAULT_RETRY_S = 30.0
_NO_PORT_RETRY_S = 10.0

ChooseTransport = Callable[[], Awaitable[MediaTransport]]


@dataclass(frozen=True, slots=True)
class MediaPlace:
    """Where a process receives media: on ``address``, told to devices as ``advertised`` ("" is the
    address of the route to each), with ports of ``pool``.
    """

    pool: PortPool
    address: str = "127.0.0.1"
    advertised: str = ""


class GbSource(RetryingSource):
    """Drives ``stream`` from one channel; a :class:`~camera_adapters.source.Source`.

    ``open_dialog`` asks signalling for a session; ``choose_transport`` says how its media come.
    ``name`` (``gb28181://PLATFORM/CHANNEL``) is for the log.
    """

    def __init__(
        self,
        name: str,
        stream: Stream,
        open_dialog: OpenDialog,
        choose_transport: ChooseTransport,
        place: MediaPlace,
        *,
        clock: SteadyClock | None = None,
        on_state: Callable[[SourceState], None] | None = None,
        silence_s: float = SILENCE_S,
    ) -> None:
        super().__init__(
            name,
            stream,
            self._receive,
            clock=clock,
            on_state=on_state,
            silence_s=_WHOLE_SILENCE_S,
        )
        self._open_dialog = open_dialog
        self._choose_transport = choose_transport
        self._place = place
        self._media_silence_s = silence_s

    async def _receive(self, attempt: Attempt) -> Ending:
        try:
            transport = await self._choose_transport()
            reception = open_reception(self._place.pool, self._place.address, transport)
        except SessionRefused as error:
            return Ending(error.code, str(error), error.retry_s)
        except NoPortLeft as error:
            return Ending("no_port", str(error), _NO_PORT_RETRY_S)
        except OSError as error:
            return Ending("no_port", f"no media port on {self._place.address}: {error}")
        intake: MediaIntake | None = None
        try:
            offer = MediaOffer(self._place.advertised, reception.port, transport)
            async with self._open_dialog(offer) as dialog:
                answer = dialog.answer
                intake = MediaIntake(
                    attempt.ingest,
                    attempt.camera_clock,
                    ssrc=answer.ssrc,
                    any_ssrc=answer.any_ssrc,
                    formats=answer.formats,
                    tcp=transport != "udp",
                )
                reception.begin(intake, answer, attempt.now_us)
                return await self._until_ended(attempt, dialog, reception, intake)
        except SessionRefused as error:
            return Ending(error.code, str(error), error.retry_s)
        finally:
            reception.close()
            if intake is not None:
                intake.close()
                _count(attempt, reception, intake)

    async def _until_ended(
        self,
        attempt: Attempt,
        dialog: MediaDialog,
        reception: MediaReception,
        intake: MediaIntake,
    ) -> Ending:
        loop = asyncio.get_running_loop()
        event = asyncio.ensure_future(dialog.next_event())
        heard, heard_at = 0, loop.time()
        try:
            while True:
                await asyncio.wait(
                    (event, reception.ended),
                    timeout=_CHECK_INTERVAL_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                _count(attempt, reception, intake)
                if reception.ended.done():
                    end = reception.ended.result()
                    return Ending(end.code, end.line)
                if event.done():
                    told = event.result()
                    if isinstance(told, FileEnd):
                        return Ending("ended", "the device says that the recording is over")
                    return Ending(told.code, told.line)
                fault = intake.fault
                if fault is not None:
                    return Ending(fault.code, fault.line, _FAULT_RETRY_S)
                self._remark(intake.remarks)
                now = loop.time()
                if attempt.packets != heard:
                    heard, heard_at = attempt.packets, now
                elif now - heard_at >= self._media_silence_s:
                    return Ending("silent", self._silence(reception))
        finally:
            event.cancel()

    def _remark(self, remarks: str) -> None:
        """What is odd about a live camera's media is part of its state."""
        if self.state.state == "live" and self.state.detail != remarks:
            self._set_state(replace(self.state, detail=remarks))

    def _silence(self, reception: MediaReception) -> str:
        line = f"no media for {self._media_silence_s:.0f} s on port {reception.port}"
        if reception.foreign:
            line += f"; {reception.foreign} packets from elsewhere were ignored"
        return line


def _count(attempt: Attempt, reception: MediaReception, intake: MediaIntake) -> None:
    attempt.bytes = reception.bytes_received
    receiver = intake.receiver
    if receiver is not None:
        counters = receiver.counters
        attempt.packets = counters.packets
        attempt.lost = counters.lost
        attempt.duplicates = counters.duplicates
        attempt.reordered = counters.reordered
        attempt.malformed = counters.malformed + intake.malformed_reports
