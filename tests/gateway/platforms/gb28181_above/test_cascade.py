"""Our lower platform registered with one above, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from camera_adapters.gb28181 import (
    alarm,
    catalog,
    device_information,
    mansrtsp,
    session_description,
)
from camera_adapters.gb28181.alarm import AlarmSubscription
from camera_adapters.gb28181.device_control import (
    Control,
    DeviceControl,
    Guard,
    PrecisePosition,
    Restart,
    Steer,
)
from camera_adapters.gb28181.device_information import DeviceInformation, Presets
from camera_adapters.gb28181.envelope import Outcome
from camera_adapters.gb28181.mansrtsp import PlaybackControl
from camera_adapters.gb28181.record_information import RecordPage, RecordQuery
from camera_adapters.gb28181.session_description import SessionDescription, live_ssrc
from camera_adapters.gb28181.steering import Move, Preset
from camera_adapters.sip.endpoint import SipRefused, SipSession
from camera_adapters.sip.peer import Peer, Transport
from gateway.control.channel import ControlError
from gateway.identifiers import US_PER_S
from gateway.platforms.gb28181_above import sending
from gateway.platforms.gb28181_above.alarms import CameraAlarm
from gateway.platforms.gb28181_above.kind import PlatformsAbove
from gateway.platforms.operations import DeviceRefused
from gateway.settings import CascadeSettings
from recorder.segments import Segment
from tests.gateway.platforms.gb28181_above.lower import Lower, lower_gateway
from tests.peers.upper_platform import UpperPlatform, row_of

CODE = "34020000002000000001"
PASSWORD = "from above"


@dataclass
class Cascade:
    lower: Lower
    upper: UpperPlatform
    platform_id: str

    async def code_of(self, camera: str) -> str:
        """By which the platform above knows a camera."""
        while True:
            held = self.lower.kind._held.get(self.platform_id)
            shared = held.catalog if held else None
            for one in shared.cameras.values() if shared else ():
                if one.camera_id == self.lower.cameras[camera]:
                    return one.code
            await asyncio.sleep(0.01)

    async def live_offer(self, purpose: session_description.Purpose = "play") -> SessionDescription:
        recorded = purpose != "play"
        return SessionDescription(
            purpose,
            CODE,
            "127.0.0.1",
            30_000,
            ssrc=live_ssrc(CODE, 1),
            direction="recvonly",
            start_s=1_700_000_000 if recorded else 0,
            end_s=1_700_000_600 if recorded else 0,
            uri_code=await self.code_of("gate") if recorded else "",
        )

    async def control(self, camera: str, control: Control) -> int:
        document = DeviceControl(1, await self.code_of(camera), control)
        return (await self.upper.ask(document.to_element())).status

    async def invite(self, camera: str = "gate") -> SipSession:
        return await self.upper.invite(await self.code_of(camera), await self.live_offer())


@contextlib.asynccontextmanager
async def cascaded(
    folder: Path, transport: Transport = "udp", password: str = PASSWORD, **options: object
) -> AsyncIterator[Cascade]:
    upper = UpperPlatform(CODE, PASSWORD)
    await upper.open()
    try:
        async with lower_gateway(folder) as lower:
            row = row_of(upper, transport, **options)
            platform_id = await lower.add_platform(row, password)
            yield Cascade(lower, upper, platform_id)
    finally:
        await upper.close()


@contextlib.asynccontextmanager
async def sharing(
    folder: Path, transport: Transport = "udp", **options: object
) -> AsyncIterator[Cascade]:
    """Registered, and given the village."""
    async with cascaded(folder, transport, **options) as made:
        await made.lower.share(made.platform_id, areas=("village",))
        await made.upper.registered.wait()
        await made.code_of("gate")
        yield made


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_registers_with_digest_and_says_goodbye(tmp_path: Path, transport: Transport) -> None:
    async with cascaded(tmp_path, transport) as made:
        await made.lower.reconcile()
        await made.upper.registered.wait()
        assert made.upper.lower_code == "34020000002000000009"
        state = await made.lower.until(made.platform_id, lambda one: one.state == "online")
        assert state.transport == transport
        assert state.expires_us is not None
        await made.lower.kind.close()
        await asyncio.wait_for(made.upper.left.wait(), 10)


async def test_nothing_listens_before_there_is_a_platform_above(tmp_path: Path) -> None:
    async with lower_gateway(tmp_path) as lower:
        await lower.reconcile()
        assert lower.kind._endpoint.port == 0


async def test_wrong_password_is_a_state_and_not_tried_again_in_haste(tmp_path: Path) -> None:
    async with cascaded(tmp_path, password="wrong") as made:
        await made.lower.reconcile()
        state = await made.lower.until(made.platform_id, lambda one: one.state == "refused")
        assert state.fault == "wrong_password"
        assert made.upper.attempts == 2  # without proof, and with the wrong one


async def test_its_answers_are_no_flood_once_it_took_our_registration(tmp_path: Path) -> None:
    async with cascaded(tmp_path) as made:
        admission = made.lower.kind._endpoint.admission
        peer = Peer("127.0.0.1", made.upper.endpoint.port)
        await made.lower.reconcile()
        assert not admission.knows(peer)
        await made.lower.until(made.platform_id, lambda one: one.state == "online")
        assert admission.knows(peer)
        # Far more than a stranger may say at once.
        assert all(admission.admit(peer, 0.0) for _ in range(1000))
        await made.lower.kind._held[made.platform_id].close()
        assert not admission.knows(peer)


async def test_platform_that_refuses_us_stays_a_stranger(tmp_path: Path) -> None:
    async with cascaded(tmp_path, password="wrong") as made:
        await made.lower.reconcile()
        await made.lower.until(made.platform_id, lambda one: one.state == "refused")
        peer = Peer("127.0.0.1", made.upper.endpoint.port)
        assert not made.lower.kind._endpoint.admission.knows(peer)


async def test_platform_that_moved_is_known_where_it_is_and_not_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sharing(tmp_path) as made:
        await made.lower.until(made.platform_id, lambda one: one.state == "online")
        link = made.lower.kind._held[made.platform_id]._link
        admission = made.lower.kind._endpoint.admission
        before = Peer("127.0.0.1", made.upper.endpoint.port)
        assert admission.knows(before)

        async def elsewhere(host: str, port: int) -> list[tuple[object, ...]]:
            return [(0, 0, 0, "", ("127.0.0.2", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", elsewhere)
        await link._find_peer()
        assert not admission.knows(before)
        assert link.is_from("127.0.0.2", CODE)
        assert not link.is_from("127.0.0.1", CODE)


async def test_only_what_is_shared_is_in_the_catalogue(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        found = await made.upper.fetch_catalog()
        names = {node.item.name for node in found.nodes.values()}
        assert names == {"county", "village", "gate", "yard"}  # county is the name of the group
        assert found.orphans == ()
        tree = {node.item.name: found.nodes.get(node.parent) for node in found.nodes.values()}
        above = {name: parent.item.name if parent else "" for name, parent in tree.items()}
        assert above == {"county": "", "village": "county", "gate": "village", "yard": "village"}


async def test_single_camera_does_not_tell_where_it_stands(tmp_path: Path) -> None:
    async with cascaded(tmp_path) as made:
        await made.lower.share(made.platform_id, cameras=("road",))
        await made.upper.registered.wait()
        await made.code_of("road")
        found = await made.upper.fetch_catalog()
        assert {node.item.name for node in found.nodes.values()} == {"county", "road"}


async def test_codes_are_the_same_after_a_restart_and_after_being_shared_anew(
    tmp_path: Path,
) -> None:
    async with sharing(tmp_path) as made:
        before = await made.code_of("gate")
        await made.lower.share(made.platform_id, cameras=("road",))
        await made.code_of("road")
        await made.lower.share(made.platform_id, areas=("county",))
        assert await made.code_of("gate") == before
        codes = await made.lower.rows.write(
            "platforms.codes",
            platform_id=made.platform_id,
            centre="99999999",
            items=[["camera", made.lower.cameras["gate"]]],
        )
        assert codes["camera"][made.lower.cameras["gate"]] == before


async def test_subscriber_is_told_what_came_and_what_went(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        own = made.upper.lower_code
        await made.upper.subscribe("Catalog;id=1", catalog.subscription(1, own))
        await made.lower.share(made.platform_id, areas=("village",), cameras=("road",))
        (came,) = await made.upper.events()
        assert (came.kind, came.item.name) == ("ADD", "road")
        await made.lower.share(made.platform_id, areas=("village",))
        (went,) = await made.upper.events()
        assert (went.kind, went.item.code) == ("DEL", came.item.code)


async def test_tells_of_itself(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        query = device_information.query(device_information.INFORMATION, 5, made.upper.lower_code)
        await made.upper.ask(query)
        told = DeviceInformation.read(await made.upper.answered("DeviceInfo"))
        assert (told.serial_number, told.channels, told.name) == (5, 2, "county")


async def test_stranger_is_refused(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        query = device_information.query(device_information.INFORMATION, 5, made.upper.lower_code)
        response = await made.upper.ask(query, from_code="34020000002000000077")
        assert response.status == 403


async def test_live_is_asked_of_the_shard_masked_and_on_record(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        session = await made.invite()
        answer = session_description.parse(session.remote_body)
        assert (answer.port, answer.ssrc) == (40_000, live_ssrc(CODE, 1))
        (asked,) = made.lower.media.asked
        assert asked["camera_id"] == made.lower.cameras["gate"]
        assert asked["may_lift_masks"] is False
        assert asked["target"]["port"] == 30_000
        assert await made.lower.media.commands.get() == {"action": "start"}
        (opened,) = await made.lower.register("cascade.live")
        assert (opened.camera_id, opened.user_name) == (made.lower.cameras["gate"], "市局")
        await session.end()
        await made.lower.media.closed.wait()
        watched = await made.lower.on_record("cascade.watched")
        assert watched.camera_id == made.lower.cameras["gate"]
        assert watched.start_us < watched.end_us


async def test_nothing_is_sent_before_the_invitation_is_acknowledged(tmp_path: Path) -> None:
    """By UDP anybody can invite in the name and from the address of the platform above, and have
    pictures sent elsewhere; only who gets our answer can acknowledge it.
    """
    async with sharing(tmp_path) as made:
        code, offer = await made.code_of("gate"), await made.live_offer()
        peer = made.upper.contact
        assert peer is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.bind(("127.0.0.1", 0))
            forger.setblocking(False)
            here = f"127.0.0.1:{forger.getsockname()[1]}"

            def request(method: str, branch: str, tag: str, body: bytes) -> bytes:
                head = (
                    f"{method} sip:{code}@{here} SIP/2.0\r\n"
                    f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{branch}\r\n"
                    f"From: <sip:{CODE}@3402000000>;tag=forged\r\n"
                    f"To: <sip:{code}@3402000000>{tag}\r\n"
                    f"Call-ID: forged\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
                    f"Contact: <sip:{CODE}@{here}>\r\nContent-Type: APPLICATION/SDP\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n"
                )
                return head.encode() + body

            loop = asyncio.get_running_loop()
            invite = request("INVITE", "a", "", offer.to_bytes())
            await loop.sock_sendto(forger, invite, (peer.host, peer.port))
            while not (answer := await loop.sock_recv(forger, 65536)).startswith(b"SIP/2.0 200"):
                pass
            # The 200 comes again because no ACK came; until then nobody was told to begin.
            assert (await loop.sock_recv(forger, 65536)).startswith(b"SIP/2.0 200")
            assert made.lower.media.asked and made.lower.media.commands.empty()
            to = next(one for one in answer.decode().splitlines() if one.startswith("To:"))
            acknowledgement = request("ACK", "b", to[to.index(";tag=") :], b"")
            await loop.sock_sendto(forger, acknowledgement, (peer.host, peer.port))
            assert await made.lower.media.commands.get() == {"action": "start"}


async def test_session_of_a_process_that_was_killed_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sharing(tmp_path) as made:
        session = await made.invite()
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        session.on_end = ended.set_result
        assert await made.lower.media.commands.get() == {"action": "start"}
        before = made.lower.kind
        port = before._endpoint.port

        async def nothing(*_: object, **__: object) -> None:
            """A killed process writes and says nothing."""

        with monkeypatch.context() as killed:
            killed.setattr(sending, "forget_dialog", nothing)
            killed.setattr(sending.Sending, "note", nothing)
            await before._endpoint.close()
            await before.close()
        assert not ended.done()
        settings = made.lower.settings.model_copy(update={"cascade": CascadeSettings(port=port)})
        made.lower.kind = PlatformsAbove(dataclasses.replace(before._context, settings=settings))
        try:
            await made.lower.reconcile()
            assert await ended == "bye"
            watched = await made.lower.on_record("cascade.watched")
            assert watched.camera_id == made.lower.cameras["gate"]
            assert watched.start_us < watched.end_us
        finally:
            await made.lower.kind.close()


async def test_masks_are_lifted_only_where_a_person_said_so(tmp_path: Path) -> None:
    async with sharing(tmp_path, may_lift_masks=True) as made:
        await made.invite()
        assert made.lower.media.asked[0]["may_lift_masks"] is True


async def test_what_is_shared_no_more_ends_at_once(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        session = await made.invite()
        ended = asyncio.Event()
        session.on_end = lambda cause: ended.set()
        await made.lower.share(made.platform_id)
        await ended.wait()
        await made.lower.media.closed.wait()


async def test_camera_that_is_not_shared_does_not_exist(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        with pytest.raises(SipRefused) as refused:
            await made.upper.invite("34020000001327000099", await made.live_offer())
        assert refused.value.response.status == 404
        assert made.lower.media.asked == []
        assert (await made.lower.on_record("cascade.refused")).detail


@pytest.mark.parametrize("purpose", ["playback", "download"])
async def test_recordings_are_given_only_when_granted(
    tmp_path: Path, purpose: session_description.Purpose
) -> None:
    async with sharing(tmp_path) as made:
        with pytest.raises(SipRefused) as refused:
            await made.upper.invite(await made.code_of("gate"), await made.live_offer(purpose))
        assert refused.value.response.status == 403
        assert made.lower.media.asked == []


async def test_playback_is_paused_sought_and_hastened_and_tells_its_end(tmp_path: Path) -> None:
    async with sharing(tmp_path, may_playback=True) as made:
        session = await made.upper.invite(
            await made.code_of("gate"), await made.live_offer("playback")
        )
        (asked,) = made.lower.media.asked
        assert (asked["start_us"], asked["speed"]) == (1_700_000_000_000_000, 0.0)
        for control in (
            PlaybackControl("PAUSE", 1),
            PlaybackControl("PLAY", 2, scale=4.0, from_s=30.0),
        ):
            response = await session.request(
                "INFO", body=control.to_bytes(), content_type=mansrtsp.CONTENT_TYPE
            )
            assert response.status == 200
        got = [await made.lower.media.commands.get() for _ in range(5)]
        assert [one["action"] for one in got] == ["start", "pause", "seek", "scale", "resume"]
        assert (got[2]["from_s"], got[3]["scale"]) == (30.0, 4.0)
        came: asyncio.Queue[bytes] = asyncio.Queue()

        def take(incoming: object) -> None:
            came.put_nowait(incoming.request.body)  # type: ignore[attr-defined]
            incoming.respond(200)  # type: ignore[attr-defined]

        session.on_request = take
        made.lower.media.items.put_nowait({"type": "file_end"})
        assert b"121" in await came.get()
        made.lower.media.items.put_nowait(
            {"type": "ended", "cause": "file_end", "start_us": 5, "end_us": 9, "bytes": 77}
        )
        watched = await made.lower.on_record("cascade.watched")
        assert (watched.start_us, watched.end_us) == (5, 9)


async def test_process_that_is_away_is_no_answer_and_no_session(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        made.lower.media.refusal = ControlError("no_picture", "the camera sends nothing")
        with pytest.raises(SipRefused) as refused:
            await made.invite()
        assert refused.value.response.status == 480


async def test_steering_goes_through_the_arbitration_as_the_platform(tmp_path: Path) -> None:
    async with sharing(tmp_path, may_steer=True, ptz_priority=7) as made:
        assert await made.control("gate", Steer(Move(pan=-1.0))) == 200
        camera_id, holder, command = await made.lower.steered.get()
        assert camera_id == made.lower.cameras["gate"]
        assert (holder.kind, holder.id, holder.name, holder.priority) == (
            "platform",
            made.platform_id,
            "市局",
            7,
        )
        assert (command.action, command.pan) == ("move", -1.0)
        assert await made.control("gate", Steer(Move())) == 200
        while command.action != "stop":  # the movement may have been renewed
            _, _, command = await made.lower.steered.get()


async def test_camera_that_another_holds_is_not_taken_and_it_is_on_record(tmp_path: Path) -> None:
    async with sharing(tmp_path, may_steer=True) as made:
        made.lower.steer_refusal = DeviceRefused("busy", "the duty desk steers this camera")
        assert await made.control("gate", Steer(Move(tilt=0.5))) == 200
        refused = await made.lower.on_record("cascade.refused")
        assert "duty desk" in refused.detail


async def test_preset_of_a_device_with_names_of_its_own_is_found_by_its_place(
    tmp_path: Path,
) -> None:
    async with sharing(tmp_path, may_steer=True) as made:
        await made.upper.ask(
            device_information.query(device_information.PRESETS, 3, await made.code_of("gate"))
        )
        told = Presets.read(await made.upper.answered("PresetQuery"))
        assert told.names == {1: "门", 2: "院"}
        assert await made.control("gate", Steer(Preset("call", 2))) == 200
        _, _, command = await made.lower.steered.get()
        assert (command.action, command.preset) == ("goto_preset", "Yard_7")


@pytest.mark.parametrize(
    ("options", "control", "status"),
    [
        ({}, Steer(Move(pan=1.0)), 403),
        ({"may_steer": True}, Restart(), 403),
        ({"may_steer": True}, Steer(Preset("set", 1)), 488),
        ({"may_steer": True}, PrecisePosition(1.0), 488),
    ],
)
async def test_what_is_not_granted_is_refused_and_reaches_no_camera(
    tmp_path: Path, options: dict[str, object], control: Control, status: int
) -> None:
    async with sharing(tmp_path, **options) as made:
        assert await made.control("gate", control) == status
        assert made.lower.steered.empty()


async def test_command_that_is_owed_an_answer_is_refused_by_one(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        assert await made.control("gate", Guard(on=True)) == 200
        outcome = Outcome.read(await made.upper.answered("DeviceControl"))
        assert not outcome.ok


async def test_recordings_are_listed_when_granted(tmp_path: Path) -> None:
    async with sharing(tmp_path, may_playback=True) as made:
        gate = await made.code_of("gate")
        query = RecordQuery(8, gate, 1_700_000_000_000_000, 1_700_000_600_000_000)
        await made.upper.ask(query.to_element())
        page = RecordPage.read(await made.upper.answered("RecordInfo"))
        assert (page.serial_number, page.device_id, page.total) == (8, gate, 0)


async def test_what_the_shard_has_not_filed_yet_is_listed_too(tmp_path: Path) -> None:
    async with sharing(tmp_path, may_playback=True) as made:
        start_us, end_us = 1_700_000_060_000_000, 1_700_000_120_000_000
        source_id = f"{made.lower.cameras['gate']}/main"
        made.lower.media.open_segments = [
            Segment(
                "seg_open",
                source_id,
                "run_1",
                epoch=1,
                ordinal=0,
                start_us=start_us,
                end_us=end_us,
                effective_start_us=start_us,
                effective_end_us=end_us,
                start_90k=0,
                store_key="",
                size_bytes=1,
                header_bytes=1,
                sha256=b"",
                gop_index=b"",
                state="open",
                held=False,
            )
        ]
        gate = await made.code_of("gate")
        query = RecordQuery(9, gate, 1_700_000_000_000_000, 1_700_000_600_000_000)
        await made.upper.ask(query.to_element())
        page = RecordPage.read(await made.upper.answered("RecordInfo"))
        assert [(one.start_us, one.end_us) for one in page.items] == [(start_us, end_us)]


async def test_alarm_goes_up_by_subscription(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        document = AlarmSubscription(4, made.upper.lower_code).to_element()
        await made.upper.subscribe(alarm.EVENT_PACKAGE, document)
        gate = await made.code_of("gate")
        held = made.lower.kind._held[made.platform_id]
        told = alarm.Alarm(0, "", 2, alarm.BY_DEVICE, 1_700_000_000_000_000, "tamper", 2)
        held.tell_alarm(CameraAlarm(made.lower.cameras["road"], told, beneath_mask=False))
        held.tell_alarm(CameraAlarm(made.lower.cameras["gate"], told, beneath_mask=False))
        came = alarm.Alarm.read(await made.upper.notified.get())
        assert (came.device_id, came.meaning(), came.at_us) == (gate, "tamper", told.at_us)


@pytest.mark.parametrize("may_lift_masks", [False, True])
async def test_alarm_beneath_a_mask_goes_to_who_may_lift_masks_alone(
    tmp_path: Path, may_lift_masks: bool
) -> None:
    async with sharing(tmp_path, may_lift_masks=may_lift_masks) as made:
        document = AlarmSubscription(4, made.upper.lower_code).to_element()
        await made.upper.subscribe(alarm.EVENT_PACKAGE, document)
        held = made.lower.kind._held[made.platform_id]
        for number in (1, 2):
            told = alarm.Alarm(0, "", 3, alarm.BY_VIDEO, number * US_PER_S, "", 6)
            gate = made.lower.cameras["gate"]
            held.tell_alarm(CameraAlarm(gate, told, beneath_mask=number == 1))
        came = alarm.Alarm.read(await made.upper.notified.get())
        assert came.at_us == (1 if may_lift_masks else 2) * US_PER_S


async def test_two_platforms_above_know_different_things(tmp_path: Path) -> None:
    async with sharing(tmp_path) as made:
        second = UpperPlatform("35020000002000000002", "another")
        await second.open()
        try:
            platform_id = await made.lower.add_platform(row_of(second, "udp"), "another")
            await made.lower.share(platform_id, cameras=("road",))
            await second.registered.wait()
            await made.lower.until(platform_id, lambda one: one.facts.get("shared_cameras") == 1)
            theirs = await second.fetch_catalog()
            ours = await made.upper.fetch_catalog()
            assert {node.item.name for node in theirs.nodes.values()} == {"county", "road"}
            assert "road" not in {node.item.name for node in ours.nodes.values()}
        finally:
            await second.close()
