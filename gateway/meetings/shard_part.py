"""Meetings as a part of a media shard: everything of theirs built, wired and ended together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import BaseRoute

from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.cluster.peers import peer_client
from gateway.control.channel import ControlClient
from gateway.footage.reader import FootageReader
from gateway.footage.shard_channels import ShardChannels
from gateway.masks import MaskReader
from gateway.meetings.across.far import FarMedia
from gateway.meetings.across.links import Links
from gateway.meetings.across.played import PlayedSending, PlayedSites
from gateway.meetings.across.sending import MediaSending
from gateway.meetings.camera_site import CameraSites
from gateway.meetings.desired import MeetingReader
from gateway.meetings.door import Door
from gateway.meetings.endpoint import MeetingEndpoint
from gateway.meetings.journal import Journal
from gateway.meetings.playing.sites import RecordingSites, Workings
from gateway.meetings.probe import ProbeEndpoint
from gateway.meetings.recording.recording import MeetingRecording
from gateway.meetings.rooms import Rooms
from gateway.meetings.snapshots import snapshot_calls
from gateway.meetings.subtitles.subtitles import Subtitles
from gateway.meetings.telephone.lines import TelephoneLines
from gateway.meetings.whip_whep import DeviceEndpoint
from gateway.relay.figures import summed
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.shard.shard import MediaShard
from gateway.tickets import TicketSigner
from gateway.transcoder.client import TranscoderClient
from recorder.recorder import Recorder
from recorder.rows import RowWriter
from recorder.stores import Store
from recorder.tables import assignments


class MeetingsPart:
    """The meetings of the shard ``name``. ``run`` goes on until it is cancelled; then ``close``."""

    def __init__(
        self,
        settings: Settings,
        name: str,
        reader: AsyncEngine,
        rows: RowWriter,
        recorder: Recorder,
        shard: MediaShard,
        output: WebRtcOutput,
        clock_us: Callable[[], int],
        on_refused: Callable[[str], None],
        store: Store,
        transcoder: TranscoderClient,
        media_peer: Callable[[str], ControlClient],
    ) -> None:
        self._settings = settings
        self._name = name
        self._reader = reader
        self._clock_us = clock_us
        self._secret = cluster_secret(settings)
        self._neighbours: dict[str, ControlClient] = {}
        meetings = MeetingReader(reader, name)
        journal = Journal(rows)
        self.rooms = Rooms(meetings, journal, name, clock_us)
        self._conference = Conference(
            output.mux, output.identity, output.wheel, output.scratch, clock_us
        )
        self._door = Door(TicketSigner(self._secret), self.rooms, meetings, on_refused)
        self._pages = MeetingEndpoint(self._door, self._conference)
        self._probes = ProbeEndpoint(TicketSigner(self._secret), self._conference)
        self._devices = DeviceEndpoint(
            self._door, self._conference, rows, settings.webrtc.ice_servers
        )
        self._recording = MeetingRecording(recorder, rows, name, clock_us)
        self.rooms.on_led_room(self._recording.room_opened)
        self._subtitles: Subtitles | None = None
        if settings.meetings.subtitles.recogniser:
            self._subtitles = Subtitles(settings.meetings.subtitles, journal)
            self.rooms.on_led_room(self._subtitles.room_opened)
        self._media = FarMedia(name, media_peer, output.wheel, clock_us)
        self._sending = MediaSending(self.rooms)
        self._playing = PlayedSending(self.rooms)
        self._played_elsewhere = PlayedSites(self.rooms, self._media, output)
        self._links = Links(name, self.rooms, self._media, self._neighbour)
        self._telephones = TelephoneLines(self.rooms, output.wheel, clock_us)
        self._cameras = CameraSites(self.rooms, shard, output, self._open_owner)
        self._footage = ShardChannels(settings, self._secret, reader)
        self._played = RecordingSites(
            self.rooms,
            Workings(
                engine=reader,
                store=store,
                reader=FootageReader(reader, store, self._footage),
                masks=MaskReader(reader),
                masks_now=shard.derived.masks,
                output=output,
                transcoder=transcoder,
                journal=journal,
                clock_us=clock_us,
            ),
        )

    def routes(self) -> list[BaseRoute]:
        """What the shard serves for meetings."""
        return [*self._pages.routes(), *self._probes.routes(), *self._devices.routes()]

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``meetings.*`` of the control channel; see docs/architecture.md."""

        async def reconcile() -> None:
            await self.rooms.reconcile()

        async def status() -> dict[str, Any]:
            return self.rooms.status()

        async def revoke(session_ids: list[str]) -> int:
            return self.revoke(session_ids)

        return {
            "meetings.reconcile": reconcile,
            "meetings.status": status,
            "meetings.revoke": revoke,
            **self._telephones.calls(),
            **self._links.calls(),
            **self._sending.calls(),
            **self._playing.calls(),
            **snapshot_calls(self.rooms, self._clock_us),
        }

    def revoke(self, session_ids: Iterable[str]) -> int:
        """End these sessions now, and for good; gives how many connections that were."""
        session_ids = list(session_ids)
        self._door.revoke(session_ids)
        return self.rooms.revoke(session_ids, "revoked")

    def cover(self) -> None:
        """Masks were changed."""
        self._cameras.cover()
        self._played.cover()

    def figures(self) -> dict[str, Any]:
        """For ``process.status``."""
        rooms = self.rooms.rooms.values()
        return {
            "meetings": len(rooms),
            "meeting_members": sum(room.status()["members"] for room in rooms),
            "meeting_cameras": len(self._cameras),
            "meeting_recordings_played": len(self._played),
            "meeting_telephones": len(self._telephones),
            **self._links.figures(),
            **self._recording.figures(),
        }

    def media_sent(self) -> dict[str, dict[str, int]]:
        """What other shards are sent of who sits here, and of what is played here, as relays count
        it, by receiver.
        """
        return summed(self._sending.figures(), self._playing.figures())

    def media_received(self) -> dict[str, dict[str, int]]:
        """What comes of who sits at other shards, as relays count it, by sender."""
        return self._media.figures()

    async def run(self) -> None:
        """Keep all rooms true for ever."""
        running = [self.rooms.run(), self._recording.run()]
        if self._subtitles is not None:
            running.append(self._subtitles.run())
        await asyncio.gather(*running)

    async def close(self) -> None:
        """End all meetings' connections here: the shard stops."""
        # Recordings before rooms: what ends them is the gateway, not the meeting.
        await self._recording.close()
        await self._links.close()
        await self._cameras.close()
        await self._played.close()
        await self._played_elsewhere.close()
        await self.rooms.close()
        self._telephones.close()
        self._conference.close()
        with contextlib.suppress(OSError):
            await self._footage.close()
            await asyncio.gather(*(one.close() for one in self._neighbours.values()))

    async def _open_owner(self, camera_id: str) -> ControlClient | None:
        """See OpenOwner. Raises ConnectionError when it cannot be told who that is."""
        try:
            async with self._reader.connect() as connection:
                found = await connection.execute(
                    sa.select(assignments.c.owner).where(
                        assignments.c.source_id == f"{camera_id}/main"
                    )
                )
                owner = found.scalar()
        except sa.exc.DBAPIError as error:
            raise ConnectionError(f"assignments cannot be read: {error}") from None
        if owner is None or owner == self._name:
            return None
        return self._neighbour(owner)

    def _neighbour(self, name: str) -> ControlClient:
        client = self._neighbours.get(name)
        if client is None:
            client = peer_client(self._settings, self._secret, self._reader, name)
            self._neighbours[name] = client
        return client
