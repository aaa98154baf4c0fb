"""Asking a device: signatures, clocks, refusals, what it may answer, and what is kept of it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from camera_adapters.onvif import device, media, ptz
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import describe
from camera_adapters.onvif.exchange import OnvifError, OnvifFault, create_session
from camera_adapters.onvif.password_tries import PasswordTries
from camera_adapters.onvif.soap import Service
from tests.peers.onvif_device import Habits, OnvifDevice


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with create_session() as one:
        yield one


def client_of(
    peer: OnvifDevice, session: aiohttp.ClientSession, password: str | None = None
) -> OnvifClient:
    return OnvifClient(
        session,
        peer.host,
        peer.port,
        peer.habits.username,
        peer.habits.password if password is None else password,
    )


@pytest.mark.parametrize("sign_in", ["token", "http", "none"])
@pytest.mark.parametrize("skew_s", [0, -8 * 3600, 86_400 * 365])
async def test_signs_by_the_device_s_own_clock(
    session: aiohttp.ClientSession, sign_in: str, skew_s: float
) -> None:
    async with OnvifDevice(Habits(sign_in=sign_in, skew_s=skew_s)) as peer:
        client = client_of(peer, session)
        description = await describe(client, {})
        assert description.information.manufacturer == "海康"
        assert client.offset_us is not None
        assert abs(client.offset_us - skew_s * 1_000_000) < 1_500_000
        assert peer.wrong_passwords == 0


async def test_a_clock_that_is_told_to_no_stranger_is_read_from_http(
    session: aiohttp.ClientSession,
) -> None:
    async with OnvifDevice(Habits(sign_in="http", clock_needs_password=True)) as peer:
        client = client_of(peer, session)
        assert (await describe(client, {})).channels
        assert client.offset_us is not None and abs(client.offset_us) < 2_000_000


async def test_a_clock_that_was_set_meanwhile_is_read_again(
    session: aiohttp.ClientSession,
) -> None:
    async with OnvifDevice() as peer:
        client = client_of(peer, session)
        await describe(client, {})
        peer.habits.skew_s = 3600
        assert await client.call(device.get_scopes())
        assert peer.wrong_passwords == 1
        # It was accepted in the end, so the device counts from the beginning, and so do we.
        assert client.tries.wait_s(client.device_key, 0) == 0


@pytest.mark.parametrize("sign_in", ["token", "http"])
async def test_a_wrong_password_is_tried_twice_at_most_whatever_is_asked(
    session: aiohttp.ClientSession, sign_in: str
) -> None:
    async with OnvifDevice(Habits(sign_in=sign_in)) as peer:
        tries = PasswordTries()
        codes = []
        for _ in range(6):
            client = client_of(peer, session, "wrong")
            client.tries = tries
            await client.read_clock()
            asked = [client.call(device.get_scopes()) for _ in range(3)]
            for answer in await asyncio.gather(*asked, return_exceptions=True):
                assert isinstance(answer, OnvifError)
                codes.append(answer.code)
        assert peer.wrong_passwords <= 2
        assert set(codes) == {OnvifFault.REFUSED, OnvifFault.WAITING}


async def test_what_an_account_may_not_do_is_no_wrong_password(
    session: aiohttp.ClientSession,
) -> None:
    async with OnvifDevice(Habits(forbidden={"SystemReboot"})) as peer:
        client = client_of(peer, session)
        await describe(client, {})
        for _ in range(5):
            with pytest.raises(OnvifError) as caught:
                await client.call(device.system_reboot())
            assert caught.value.code is OnvifFault.FORBIDDEN
        assert await client.call(device.get_scopes())


@pytest.mark.parametrize("told_host", ["0.0.0.0", "192.168.1.64", ""])
async def test_addresses_lead_to_where_the_device_was_reached(
    session: aiohttp.ClientSession, told_host: str
) -> None:
    async with OnvifDevice(Habits(told_host=told_host, rtsp="rtsp://u:p@{host}:8554/a")) as peer:
        (channel,) = (await describe(client_of(peer, session), {})).channels
        assert channel.main_url == "rtsp://127.0.0.1:8554/a"
        assert channel.snapshot_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("media2", [False, True])
async def test_a_recorder_expands_to_its_channels(
    session: aiohttp.ClientSession, media2: bool
) -> None:
    async with OnvifDevice(Habits(channels=4, media2=media2)) as peer:
        description = await describe(client_of(peer, session), {})
    assert [one.code for one in description.channels] == ["vs_1", "vs_2", "vs_3", "vs_4"]
    third = description.channels[2]
    assert third.name == "村口 3"
    assert third.main_url.endswith("/ch3/main")
    assert third.sub_url.endswith("/ch3/sub")
    assert third.main.encoder is not None
    assert third.main.encoder.codec == ("h265" if media2 else "h264")
    assert third.main.service is (Service.MEDIA2 if media2 else Service.MEDIA)


@pytest.mark.parametrize("media2", [False, True])
async def test_channels_are_named_as_their_pictures_are(
    session: aiohttp.ClientSession, media2: bool
) -> None:
    habits = Habits(channels=3, media2=media2, titles={1: "桥头 东", 2: "Camera 02"})
    async with OnvifDevice(habits) as peer:
        description = await describe(client_of(peer, session), {})
    assert [one.name for one in description.channels] == ["桥头 东", "村口 2", "村口 3"]


async def test_a_device_older_than_getservices_tells_its_capabilities(
    session: aiohttp.ClientSession,
) -> None:
    async with OnvifDevice(Habits(unknown={"GetServices"})) as peer:
        client = client_of(peer, session)
        await describe(client, {})
        assert client.services[Service.PTZ] == f"http://127.0.0.1:{peer.port}/onvif/tptz"


async def test_a_media2_that_fails_is_replaced_by_media1(session: aiohttp.ClientSession) -> None:
    async with OnvifDevice(Habits(media2=True, unknown={"tr2:GetProfiles"})) as peer:
        (channel,) = (await describe(client_of(peer, session), {})).channels
        assert channel.main.service is Service.MEDIA
        assert channel.main_url.endswith("/ch1/main")


async def test_a_nonce_that_ran_out_is_no_wrong_password(session: aiohttp.ClientSession) -> None:
    async with OnvifDevice(Habits(sign_in="http", nonce_uses=2)) as peer:
        client = client_of(peer, session)
        await describe(client, {})
        for _ in range(8):
            await client.call(device.get_scopes())
        assert peer.wrong_passwords == 0


async def test_a_connection_that_was_just_closed_is_made_anew(
    session: aiohttp.ClientSession,
) -> None:
    async with OnvifDevice(Habits(hangs_up=["Stop", "SystemReboot"])) as peer:
        client = client_of(peer, session)
        await describe(client, {})
        await client.call(ptz.stop("prof_1_main"))
        assert [one.split()[0] for one in peer.moves] == ["Stop"]
        with pytest.raises(OnvifError) as caught:
            await client.call(device.system_reboot())
        assert caught.value.code is OnvifFault.LOST
        assert peer.rebooted == 0


@pytest.mark.parametrize("media2", [False, True])
async def test_an_encoder_is_changed_and_what_its_maker_added_goes_back(
    session: aiohttp.ClientSession, media2: bool
) -> None:
    async with OnvifDevice(Habits(media2=media2)) as peer:
        client = client_of(peer, session)
        (channel,) = (await describe(client, {})).channels
        answer = await client.call(media.get_encoder(channel.main))
        found = media.parse_encoder(answer, channel.main)
        assert found is not None
        node, encoder = found
        assert (encoder.width, encoder.bitrate_bps, encoder.gop_pictures) == (2560, 4_096_000, 50)
        wanted = media.changed_encoder(encoder, {"bitrate_bps": 2_048_000, "gop_pictures": 25})
        await client.call(media.set_encoder(answer, node, channel.main, wanted))
        assert peer.encoders["enc_1_main"]["kbps"] == 2048
        assert peer.encoders["enc_1_main"]["gop"] == 25
        answer = await client.call(media.get_encoder_choices(channel.main))
        (choices,) = media.parse_encoder_choices(answer, channel.main.service)
        assert (2560, 1440) in choices.resolutions
        assert choices.bitrate_bps == (32_000, 8_192_000)
        assert choices.gop_pictures == (1, 400)


async def test_a_tour_is_made_walked_and_taken_away(session: aiohttp.ClientSession) -> None:
    async with OnvifDevice() as peer:
        client = client_of(peer, session)
        await describe(client, {})
        token = ptz.parse_create_preset_tour(
            await client.call(ptz.create_preset_tour("prof_1_main"))
        )
        stops = [ptz.TourStop("1", 10.0), ptz.TourStop("2", 20.0)]
        await client.call(ptz.modify_preset_tour("prof_1_main", token, "夜间", stops))
        (tour,) = ptz.parse_preset_tours(await client.call(ptz.get_preset_tours("prof_1_main")))
        assert (tour.name, list(tour.stops)) == ("夜间", stops)
        await client.call(ptz.operate_preset_tour("prof_1_main", token, "Start"))
        assert peer.moves[-1] == "OperatePresetTour Start"
        await client.call(ptz.remove_preset_tour("prof_1_main", token))
        assert not peer.tours


async def test_a_hundred_megabytes_end_after_eight(session: aiohttp.ClientSession) -> None:
    flood = b"<a>" + b"<b>" * 40 + b"x" * 100_000_000
    async with OnvifDevice(Habits(broken={"GetScopes": flood})) as peer:
        client = client_of(peer, session)
        await client.read_clock()
        with pytest.raises(OnvifError, match="larger than 8192 KiB") as caught:
            await client.call(device.get_scopes())
        assert caught.value.code is OnvifFault.PROTOCOL


async def test_an_entity_bomb_is_refused_at_its_declaration(
    session: aiohttp.ClientSession,
) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>'
    async with OnvifDevice(Habits(broken={"GetScopes": bomb})) as peer:
        client = client_of(peer, session)
        await client.read_clock()
        with pytest.raises(OnvifError, match="document type"):
            await client.call(device.get_scopes())


async def test_nobody_there_is_told_apart_from_nobody_who_speaks_onvif(
    session: aiohttp.ClientSession,
) -> None:
    closed = OnvifClient(session, "127.0.0.1", 1)
    with pytest.raises(OnvifError) as caught:
        await closed.read_clock()
    assert caught.value.code is OnvifFault.CLOSED_PORT

    async def web_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone")
        writer.close()

    async with await asyncio.start_server(web_page, "127.0.0.1", 0) as server:
        other = OnvifClient(session, *server.sockets[0].getsockname())
        with pytest.raises(OnvifError, match="speaks no ONVIF") as caught:
            await other.read_clock()
        assert caught.value.code is OnvifFault.PROTOCOL


async def test_basic_is_answered_to_nobody_behind_https_either(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    heard: list[bytes] = []

    async def asks_for_basic(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.I)
        heard.append(head + await reader.readexactly(int(length[1]) if length else 0))
        writer.write(
            b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\n'
            b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    making = await asyncio.create_subprocess_exec(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-subj", "/CN=x", "-days", "1", "-keyout", "key.pem", "-out", "certificate.pem",
        cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await making.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    async with await asyncio.start_server(asks_for_basic, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        client = OnvifClient(session, "127.0.0.1", port, "admin", "open sesame", secure=True)
        with pytest.raises(OnvifError) as caught:
            await client.call(device.get_scopes())
        assert caught.value.code is OnvifFault.REFUSED
        with pytest.raises(OnvifError):
            await client.picture(f"https://127.0.0.1:{port}/picture")
    assert len(heard) > 1
    for one in heard:
        assert b"authorization" not in one.lower()
        assert b"open sesame" not in one
