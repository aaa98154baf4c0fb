"""What is asked of one ONVIF device: see :class:`gateway.platforms.operations.DeviceOperations`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from camera_adapters.onvif import device, media, ptz, recordings
from camera_adapters.onvif.addresses import reached_stream
from camera_adapters.onvif.description import DescribedChannel
from camera_adapters.onvif.exchange import OnvifError, OnvifFault
from camera_adapters.onvif.media import Profile
from camera_adapters.onvif.recordings import Recording
from camera_adapters.onvif.soap import Request, Service
from camera_adapters.onvif.xml_tree import Node
from camera_adapters.rtsp.replay_reference import ReplayReference
from gateway.identifiers import now_us
from gateway.platforms.onvif.facts import refusal
from gateway.platforms.onvif.held_device import HeldDevice
from gateway.platforms.operations import DeviceRecording, DeviceRefused, Preset, SteerCommand

# Longer than the console repeats a movement, shorter than a turned camera does harm.
MOVE_TIMEOUT_S = 10.0
_SEARCH_WAIT_S = 5.0
_SEARCH_ROUNDS_LIMIT = 50
# By number, as GB/T 28181 counts its auxiliary switches; ONVIF PTZ §5.6.
AUXILIARIES = {1: "tt:Wiper", 2: "tt:IRLamp", 3: "tt:Washer", 4: "tt:WashingProcedure"}


class OnvifOperations:
    """One device's operations. ``held`` outlives it."""

    def __init__(self, held: HeldDevice) -> None:
        self._held = held

    async def steer(self, channel: str, command: SteerCommand) -> None:
        """See DeviceOperations."""
        described = self._moving(channel)
        await self._call(_steering(described, command))
        if command.action == "stop" and self._held.client.has(Service.IMAGING):
            # A focus that runs stops too; most cameras have none, and say so.
            await self._optional(ptz.focus_stop(described.code))

    async def presets(self, channel: str) -> list[Preset]:
        """See DeviceOperations."""
        answer = await self._call(ptz.get_presets(self._moving(channel).ptz_profile))
        return [Preset(one.token, one.name) for one in ptz.parse_presets(answer)]

    async def set_preset(self, channel: str, token: str | None, name: str) -> Preset:
        """See DeviceOperations."""
        profile = self._moving(channel).ptz_profile
        answer = await self._call(ptz.set_preset(profile, token, name))
        return Preset(ptz.parse_set_preset(answer) or token or "", name)

    async def remove_preset(self, channel: str, token: str) -> None:
        """See DeviceOperations."""
        await self._call(ptz.remove_preset(self._moving(channel).ptz_profile, token))

    async def set_home(self, channel: str) -> None:
        """Where it looks now is home from now on."""
        await self._call(ptz.set_home(self._moving(channel).ptz_profile))

    async def position(self, channel: str) -> dict[str, Any]:
        """{pan, tilt, zoom, moving}: where it looks now, None for what it does not tell."""
        answer = await self._call(ptz.get_status(self._moving(channel).ptz_profile))
        return asdict(ptz.parse_status(answer))

    async def tours(self, channel: str) -> list[dict[str, Any]]:
        """The patrols that it walks by itself: [{token, name, state, stops: [{preset_token,
        stay_s}]}].
        """
        answer = await self._call(ptz.get_preset_tours(self._moving(channel).ptz_profile))
        return [asdict(one) for one in ptz.parse_preset_tours(answer)]

    async def set_tour(
        self, channel: str, token: str | None, name: str, stops: Sequence[Mapping[str, Any]]
    ) -> str:
        """Make one, or change it; gives its token."""
        profile = self._moving(channel).ptz_profile
        if token is None:
            answer = await self._call(ptz.create_preset_tour(profile))
            token = ptz.parse_create_preset_tour(answer)
            if not token:
                raise DeviceRefused("device_error", "the device made a tour without a name")
        given = [ptz.TourStop(str(one["preset_token"]), float(one["stay_s"])) for one in stops]
        await self._call(ptz.modify_preset_tour(profile, token, name, given))
        return token

    async def operate_tour(self, channel: str, token: str, operation: str) -> None:
        """``Start``, ``Stop`` or ``Pause`` one."""
        if operation not in ("Start", "Stop", "Pause"):
            raise DeviceRefused("unsupported", "a tour can be started, stopped and paused")
        profile = self._moving(channel).ptz_profile
        await self._call(ptz.operate_preset_tour(profile, token, operation))

    async def remove_tour(self, channel: str, token: str) -> None:
        """Forget one."""
        await self._call(ptz.remove_preset_tour(self._moving(channel).ptz_profile, token))

    async def keyframe(self, channel: str, variant: str) -> None:
        """See DeviceOperations."""
        await self._call(media.set_synchronization_point(self._profile(channel, variant)))

    async def recordings(self, channel: str, start_us: int, end_us: int) -> list[DeviceRecording]:
        """See DeviceOperations. A reference is a :class:`ReplayReference`."""
        client = self._held.client
        described = self._held.channel(channel)
        if not (client.has(Service.SEARCH) and client.has(Service.REPLAY)):
            raise DeviceRefused(
                "unsupported", "the device does not offer its recordings (Profile G)"
            )
        offset_us = client.offset_us or 0
        recording = await self._recording_of(described)
        if recording is None:
            return []
        begin_us, finish_us = start_us + offset_us, end_us + offset_us
        ranges = await self._ranges(recording, begin_us, finish_us)
        if not ranges:
            return []
        answer = await self._call(recordings.get_replay_uri(recording.token))
        try:
            url = reached_stream(media.parse_uri(answer), client.host)
        except ValueError as error:
            raise DeviceRefused("device_error", str(error)) from None
        reference = ReplayReference(url, offset_us).to_text()
        return [
            DeviceRecording(begin - offset_us, finish - offset_us, reference)
            for begin, finish in ranges
        ]

    async def encoder(self, channel: str) -> list[dict[str, Any]]:
        """See DeviceOperations."""
        described = self._held.channel(channel)
        streams = []
        for variant, profile in (("main", described.main), ("sub", described.sub)):
            if profile is None:
                continue
            _, _, encoder = await self._encoder(profile)
            answer = await self._optional(media.get_encoder_choices(profile))
            choices = (
                media.parse_encoder_choices(answer, profile.service) if answer is not None else []
            )
            streams.append(
                {
                    "variant": variant,
                    "codec": encoder.codec,
                    "width": encoder.width,
                    "height": encoder.height,
                    "frames_per_second": encoder.frames_per_second,
                    "bitrate_bps": encoder.bitrate_bps,
                    "gop_pictures": encoder.gop_pictures,
                    "choices": [asdict(one) for one in choices],
                }
            )
        return streams

    async def set_encoder(self, channel: str, variant: str, settings: Mapping[str, Any]) -> None:
        """See DeviceOperations. What the device did not take over is a refusal, not silence."""
        profile = self._profile(channel, variant)
        answer, node, encoder = await self._encoder(profile)
        try:
            wanted = media.changed_encoder(encoder, settings)
        except ValueError as error:
            raise DeviceRefused("unsupported", str(error)) from None
        await self._call(media.set_encoder(answer, node, profile, wanted))
        _, _, after = await self._encoder(profile)
        ignored = [name for name in settings if getattr(after, name) != getattr(wanted, name)]
        if ignored:
            raise DeviceRefused(
                "device_error",
                f"the device accepted the change but kept its own {', '.join(ignored)}: "
                "it may not know these values, or not together",
            )

    async def time(self) -> dict[str, Any]:
        """See DeviceOperations."""
        client = self._held.client
        try:
            await client.read_clock()
        except OnvifError as error:
            raise refusal(error) from None
        if client.offset_us is None:
            raise DeviceRefused("unsupported", "the device does not tell its time")
        return {
            "device_us": now_us() + client.offset_us,
            "offset_us": client.offset_us,
            "zone": client.time.zone if client.time is not None else "",
            "source": client.time.source if client.time is not None else "http",
        }

    async def set_time(self) -> None:
        """See DeviceOperations."""
        try:
            await self._held.set_clock()
        except OnvifError as error:
            raise refusal(error) from None

    async def reboot(self) -> None:
        """See DeviceOperations."""
        await self._call(device.system_reboot())

    async def snapshot(self, channel: str) -> bytes:
        """A JPEG of the device's own making."""
        described = self._held.channel(channel)
        if not described.snapshot_url:
            raise DeviceRefused("unsupported", "the device gives no pictures by HTTP")
        try:
            return await self._held.client.picture(described.snapshot_url)
        except OnvifError as error:
            raise refusal(error) from None

    async def _recording_of(self, channel: DescribedChannel) -> Recording | None:
        found: list[Recording] = []
        for answer in await self._search(
            recordings.find_recordings(), recordings.get_recording_results
        ):
            found += recordings.parse_recordings(answer)
        description = self._held.description
        assert description is not None
        codes = [one.code for one in description.channels]
        names = [channel.code, channel.main.video_source_configuration, channel.name]
        names += [one.token for one in channel.profiles]
        return recordings.recording_of(found, names, codes.index(channel.code), len(codes))

    async def _ranges(
        self, recording: Recording, start_us: int, end_us: int
    ) -> list[tuple[int, int]]:
        """When there is footage, by the device's clock."""
        states = []
        try:
            for answer in await self._search(
                recordings.find_track_states(start_us, end_us, recording.token),
                recordings.get_event_results,
            ):
                states += recordings.parse_track_states(answer)
        except DeviceRefused as error:
            if error.code not in ("unsupported", "device_error"):
                raise
        if states:
            return recordings.ranges_of(states, recording.video_tracks, start_us, end_us)
        # A device that tells no more than from when to when: there may be gaps in it.
        earliest_us = recording.earliest_us if recording.earliest_us is not None else start_us
        latest_us = recording.latest_us if recording.latest_us is not None else end_us
        begin_us, finish_us = max(start_us, earliest_us), min(end_us, latest_us)
        return [(begin_us, finish_us)] if finish_us > begin_us else []

    async def _search(self, find: Request, results: Any) -> list[Node]:
        """All answers of a search; it is ended, as devices have few at a time."""
        token = recordings.parse_search_token(await self._call(find))
        answers = []
        try:
            for _ in range(_SEARCH_ROUNDS_LIMIT):
                answer = await self._call(results(token, _SEARCH_WAIT_S))
                answers.append(answer)
                if recordings.is_completed(answer):
                    break
        finally:
            await self._optional(recordings.end_search(token))
        return answers

    async def _encoder(self, profile: Profile) -> tuple[Node, Node, media.Encoder]:
        answer = await self._call(media.get_encoder(profile))
        found = media.parse_encoder(answer, profile)
        if found is None:
            raise DeviceRefused("device_error", "the device does not tell its encoder's settings")
        return answer, *found

    def _profile(self, channel: str, variant: str) -> Profile:
        described = self._held.channel(channel)
        if variant == "main":
            return described.main
        if described.sub is None:
            raise DeviceRefused("unsupported", "this channel has no sub stream")
        return described.sub

    def _moving(self, channel: str) -> DescribedChannel:
        described = self._held.channel(channel)
        if not described.ptz_profile:
            raise DeviceRefused("unsupported", "this camera cannot be moved")
        return described

    async def _call(self, request: Request) -> Node:
        try:
            return await self._held.client.call(request)
        except OnvifError as error:
            raise refusal(error) from None

    async def _optional(self, request: Request) -> Node | None:
        try:
            return await self._held.client.call(request)
        except OnvifError as error:
            if error.is_about_the_way or error.code is OnvifFault.WAITING:
                raise refusal(error) from None
            return None


def _steering(channel: DescribedChannel, command: SteerCommand) -> Request:
    profile = channel.ptz_profile
    match command.action:
        case "move":
            if not (command.pan or command.tilt or command.zoom):
                return ptz.stop(profile)
            return ptz.continuous_move(
                profile, command.pan, command.tilt, command.zoom, MOVE_TIMEOUT_S
            )
        case "stop":
            return ptz.stop(profile)
        case "absolute":
            return ptz.absolute_move(
                profile, command.pan, command.tilt, command.zoom, command.speed
            )
        case "relative":
            return ptz.relative_move(
                profile, command.pan, command.tilt, command.zoom, command.speed
            )
        case "goto_preset":
            return ptz.goto_preset(profile, command.preset)
        case "home":
            return ptz.goto_home(profile)
        case "focus":
            return ptz.focus_move(channel.code, command.zoom)
        case "auxiliary":
            switch = AUXILIARIES.get(command.number)
            if switch is None:
                raise DeviceRefused(
                    "unsupported", "1 is the wiper, 2 the lamp, 3 the washer, 4 washing"
                )
            return ptz.auxiliary(profile, f"{switch}|{'On' if command.on else 'Off'}")
        case "iris":
            raise DeviceRefused("unsupported", "ONVIF cameras set their iris themselves")
