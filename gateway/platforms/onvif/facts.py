"""A device's description as rows: facts, channels; and its refusals as all kinds say them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import DescribedChannel, DeviceDescription
from camera_adapters.onvif.exchange import OnvifError, OnvifFault
from camera_adapters.onvif.media import Profile
from gateway.platforms.operations import Channel, DeviceRefused

_REFUSALS = {
    OnvifFault.UNRESOLVED: "offline",
    OnvifFault.UNREACHABLE: "offline",
    OnvifFault.CLOSED_PORT: "offline",
    OnvifFault.LOST: "offline",
    OnvifFault.TIMED_OUT: "timed_out",
    OnvifFault.REFUSED: "refused",
    OnvifFault.WAITING: "refused",
    OnvifFault.FORBIDDEN: "refused",
    OnvifFault.UNSUPPORTED: "unsupported",
    OnvifFault.DEVICE_ERROR: "device_error",
    OnvifFault.PROTOCOL: "device_error",
}


def refusal(error: OnvifError) -> DeviceRefused:
    """The same, as all kinds of platforms say it."""
    return DeviceRefused(_REFUSALS[error.code], str(error))


def device_facts(description: DeviceDescription, client: OnvifClient) -> dict[str, Any]:
    """What ``platform_states.facts`` says of a device."""
    told = description.information
    return {
        "manufacturer": told.manufacturer,
        "model": told.model,
        "firmware": told.firmware,
        "serial_number": told.serial_number,
        "hardware": told.hardware,
        "name": description.scopes.name,
        "location": description.scopes.location,
        "onvif_profiles": list(description.scopes.profiles),
        "clock_offset_us": client.offset_us,
        "time_zone": client.time.zone if client.time is not None else "",
        "capabilities": description.capabilities,
        "services": [service.name.lower() for service in description.services],
    }


def channel_rows(description: DeviceDescription) -> list[Channel]:
    """One row a channel. Addresses have no credentials in them."""
    information = description.information
    return [
        Channel(
            code=one.code[:80],
            parent_code=None,
            kind="camera",
            name=one.name[:200],
            status="on",
            facts={
                "manufacturer": information.manufacturer,
                "model": information.model,
                "main_url": one.main_url,
                "sub_url": one.sub_url,
                "snapshot_url": one.snapshot_url,
                "main_profile": one.main.token,
                "sub_profile": one.sub.token if one.sub is not None else None,
                "video_source": one.main.video_source,
                "ptz_type": "ptz" if one.ptz is not None else "fixed",
                "capabilities": _channel_capabilities(one),
                "profiles": [_profile(profile) for profile in one.profiles[:16]],
            },
        )
        for one in description.channels
    ]


def token_names(channels: Sequence[DescribedChannel]) -> dict[str, str]:
    """Every token by which a device's messages may name a channel, and the channel's code."""
    names: dict[str, str] = {}
    for one in channels:
        for profile in one.profiles:
            for token in (
                profile.video_source,
                profile.video_source_configuration,
                profile.token,
                profile.encoder.token if profile.encoder is not None else "",
            ):
                if token:
                    names.setdefault(token, one.code)
    return names


def _channel_capabilities(channel: DescribedChannel) -> list[str]:
    abilities = channel.ptz
    holds = {
        "ptz": abilities is not None,
        "absolute": abilities is not None and abilities.absolute,
        "presets": abilities is not None and abilities.presets_limit > 0,
        "home": abilities is not None and abilities.home,
        "tours": abilities is not None and abilities.tours_limit > 0,
        "auxiliary": abilities is not None and bool(abilities.auxiliary),
        "talk": any(one.with_audio_output for one in channel.profiles),
        "sound": any(one.with_audio for one in channel.profiles),
        "snapshot": bool(channel.snapshot_url),
        "keyframe": True,
    }
    return [name for name, true in holds.items() if true]


def _profile(profile: Profile) -> dict[str, Any]:
    encoder = profile.encoder
    return {
        "token": profile.token,
        "name": profile.name,
        "codec": encoder.codec if encoder is not None else "",
        "width": encoder.width if encoder is not None else 0,
        "height": encoder.height if encoder is not None else 0,
        "frames_per_second": encoder.frames_per_second if encoder is not None else 0.0,
        "bitrate_bps": encoder.bitrate_bps if encoder is not None else 0,
        "gop_pictures": encoder.gop_pictures if encoder is not None else 0,
    }
