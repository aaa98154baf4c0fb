"""Everything that is kept of a device, asked in one go: who it is, its channels, their streams.

A channel is a video source: a camera has one, one with two lenses two, a recorder as many as it has
cameras. What a device does not answer is left out; only reaching it and its profiles are required.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from camera_adapters.onvif import device, media, ptz
from camera_adapters.onvif.addresses import reached_stream
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.device import DeviceInformation, Scopes
from camera_adapters.onvif.exchange import OnvifError, OnvifFault
from camera_adapters.onvif.media import ChosenStreams, Profile
from camera_adapters.onvif.ptz import PtzAbilities
from camera_adapters.onvif.soap import Request, Service
from camera_adapters.onvif.xml_tree import Node

TIME_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class DescribedChannel:
    """One channel. ``code`` is its video source's token; addresses are as we reach them, without
    credentials, and empty where the device gives none.
    """

    code: str
    name: str
    main: Profile
    sub: Profile | None
    main_url: str
    sub_url: str
    snapshot_url: str
    profiles: tuple[Profile, ...]
    ptz_profile: str = ""
    ptz: PtzAbilities | None = None


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """A device. ``services`` are those that it offers and that we know."""

    information: DeviceInformation
    scopes: Scopes
    services: tuple[Service, ...]
    channels: tuple[DescribedChannel, ...]

    @property
    def capabilities(self) -> list[str]:
        """``ptz``, ``presets``, ``home``, ``tours``, ``events``, ``recordings``, ``talk``,
        ``encoder``, ``keyframe``, ``time``, ``reboot``, ``snapshot``: those that hold.
        """
        abilities = [one.ptz for one in self.channels if one.ptz is not None]
        profiles = [profile for one in self.channels for profile in one.profiles]
        holds = {
            "ptz": any(one.continuous or one.absolute or one.relative for one in abilities),
            "presets": any(one.presets_limit for one in abilities),
            "home": any(one.home for one in abilities),
            "tours": any(one.tours_limit for one in abilities),
            "events": Service.EVENTS in self.services,
            "recordings": Service.SEARCH in self.services and Service.REPLAY in self.services,
            "talk": any(one.with_audio_output for one in profiles),
            "encoder": bool(self.channels),
            "keyframe": bool(self.channels),
            "snapshot": any(one.snapshot_url for one in self.channels),
            "time": True,
            "reboot": True,
        }
        return [name for name, true in holds.items() if true]


async def describe(
    client: OnvifClient, kept: Mapping[str, tuple[str, str | None]]
) -> DeviceDescription:
    """Ask for everything. ``kept``: see :func:`media.choose_streams`. Raises :class:`OnvifError`.

    The first question that is signed is the cheapest one, so that a wrong password costs one try.
    A device that answers everything, and everything late, is given up after five minutes.
    """
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            return await _describe(client, kept)
    except TimeoutError:
        raise OnvifError(
            OnvifFault.TIMED_OUT,
            f"the device takes more than {TIME_LIMIT_S / 60:.0f} minutes to describe itself",
        ) from None


async def _describe(
    client: OnvifClient, kept: Mapping[str, tuple[str, str | None]]
) -> DeviceDescription:
    await client.read_clock()
    information = device.parse_device_information(
        await client.call(device.get_device_information())
    )
    await client.read_services()
    answer = await _optional(client, device.get_scopes())
    scopes = device.parse_scopes(answer) if answer is not None else Scopes()
    profiles = await read_profiles(client)
    titles = await _titles(client, profiles)
    channels = []
    chosen = media.choose_streams(profiles, kept)
    for number, streams in enumerate(chosen, start=1):
        mine = tuple(one for one in profiles if one.video_source == streams.video_source)
        channels.append(
            await _channel(
                client,
                streams,
                mine,
                titles.get(streams.main.video_source_configuration)
                or _name(streams, scopes, number, len(chosen)),
            )
        )
    return DeviceDescription(information, scopes, tuple(client.services), tuple(channels))


async def _titles(client: OnvifClient, profiles: list[Profile]) -> dict[str, str]:
    if not profiles:
        return {}
    answer = await _optional(client, media.get_overlays(profiles[0].service))
    return media.parse_titles(answer) if answer is not None else {}


async def read_profiles(client: OnvifClient) -> list[Profile]:
    """From Media 2 where it works and has video, else from Media 1."""
    found: list[Profile] = []
    last: OnvifError | None = None
    services = [one for one in (Service.MEDIA2, Service.MEDIA) if client.has(one)]
    for service in services or [Service.MEDIA]:
        try:
            answer = await client.call(media.get_profiles(service))
        except OnvifError as error:
            if error.code not in _ABOUT_ONE_ANSWER:
                raise
            last = error
            continue
        found = media.parse_profiles(answer, service)
        if any(one.encoder is not None for one in found):
            return found
    if not found and last is not None:
        raise last
    return found


async def _channel(
    client: OnvifClient, streams: ChosenStreams, profiles: tuple[Profile, ...], name: str
) -> DescribedChannel:
    moving = next((one for one in (streams.main, *profiles) if one.ptz_configuration), None)
    abilities = None
    if moving is not None and client.has(Service.PTZ):
        abilities = PtzAbilities(continuous=True, presets_limit=1)
        if moving.ptz_node:
            answer = await _optional(client, ptz.get_node(moving.ptz_node))
            if answer is not None:
                abilities = ptz.parse_node(answer)
    return DescribedChannel(
        code=streams.video_source or streams.main.token,
        name=name,
        main=streams.main,
        sub=streams.sub,
        main_url=await _stream_url(client, streams.main),
        sub_url=await _stream_url(client, streams.sub) if streams.sub is not None else "",
        snapshot_url=await _snapshot_url(client, streams.main),
        profiles=profiles,
        ptz_profile=moving.token if moving is not None and abilities is not None else "",
        ptz=abilities,
    )


async def _stream_url(client: OnvifClient, profile: Profile) -> str:
    answer = await _optional(client, media.get_stream_uri(profile))
    if answer is None and profile.service is Service.MEDIA2:
        answer = await _optional(client, media.get_stream_uri(profile, "RtspUnicast"))
    return _reached(media.parse_uri(answer), client.host) if answer is not None else ""


async def _snapshot_url(client: OnvifClient, profile: Profile) -> str:
    answer = await _optional(client, media.get_snapshot_uri(profile))
    return _reached(media.parse_uri(answer), client.host) if answer is not None else ""


def _reached(told: str, host: str) -> str:
    try:
        return reached_stream(told, host)
    except ValueError:
        return ""


async def _optional(client: OnvifClient, request: Request) -> Node | None:
    """The answer; None where the device has none to this question."""
    try:
        return await client.call(request)
    except OnvifError as error:
        if error.code not in _ABOUT_ONE_ANSWER:
            raise
        return None


def _name(streams: ChosenStreams, scopes: Scopes, number: int, count: int) -> str:
    if count == 1:
        return scopes.name or streams.main.name or streams.main.token
    return f"{scopes.name or 'channel'} {number}"


_ABOUT_ONE_ANSWER = (
    OnvifFault.UNSUPPORTED,
    OnvifFault.DEVICE_ERROR,
    OnvifFault.PROTOCOL,
    OnvifFault.FORBIDDEN,
)
