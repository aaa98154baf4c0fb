"""SIPp, a SIP implementation that is not ours, calls into a meeting and is called."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from gateway.database.audit_tables import audit_log
from tests.gateway.meetings.a_shard import Shard, marks, picture
from tests.gateway.meetings.telephone.an_exchange import an_exchange
from tests.peers.sipp_device import free_udp_port, logs, needs_sipp, run_sipp, sipp

pytestmark = needs_sipp


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_signs_in_sits_down_holds_the_line_and_hangs_up(
    shard: Shard, tmp_path: Path, transport: str
) -> None:
    meeting_id, _ = await shard.running("a")
    accounts = {"1001": "s3cret"}
    async with an_exchange(shard, tmp_path, accounts=accounts, trunk_networks=[]) as exchange:
        number, pin = exchange.open_link(meeting_id)
        await run_sipp(
            tmp_path, "caller", exchange.port, free_udp_port(),
            "-t", transport, "-au", "1001", "-ap", "s3cret", name="1001", to=f"{number}*{pin}",
        )  # fmt: skip
    said = logs(tmp_path)
    assert "answered with PCMU/8000" in said
    assert "held with a=recvonly" in said
    (joined,) = shard.rows.all(audit_log, audit_log.c.action == "meeting.join")
    assert json.loads(joined.detail)["name"] == "1001"


async def test_sipp_is_dialled_by_the_trunk_and_hung_up_on_when_the_meeting_ends(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    port = free_udp_port()
    async with (
        an_exchange(shard, tmp_path, trunk=f"127.0.0.1:{port}") as exchange,
        sipp(tmp_path, "called", exchange.port, port, "-m", "1") as process,
    ):
        seat = {"kind": "sip", "subject": "tel:+86-138-0000-1111", "name": "老张"}
        (participant_id,) = shard.write("invite", meeting_id, participants=[seat], invited_by="x")
        await shard.written(lambda: shard.rows.participant(participant_id).state == "connected")
        await shard.command("end", meeting_id, reason="chair")
        assert await process.wait() == 0
    assert "offered m=audio" in logs(tmp_path)


def captured(mark: bytes, seconds: float) -> bytes:
    """A capture (libpcap's format) of a terminal's pictures, each tenth a keyframe."""
    found = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    sequence = 100
    for number in range(int(seconds * 25)):
        payloads = picture(mark, keyframe=number % 10 == 0)
        for index, payload in enumerate(payloads):
            marker = 0x80 if index == len(payloads) - 1 else 0
            rtp = struct.pack(">BBHII", 0x80, 96 | marker, sequence, 3600 * number, 77) + payload
            udp = struct.pack(">HHHH", 4000, 4002, 8 + len(rtp), 0) + rtp
            loopback = bytes((127, 0, 0, 1))
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + loopback * 2
            frame = bytes(12) + b"\x08\x00" + ip + udp
            at_us = number * 40_000
            head = struct.pack("<IIII", at_us // 10**6, at_us % 10**6, len(frame), len(frame))
            found.append(head + frame)
            sequence += 1
    return b"".join(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="SIPp plays captures by a raw socket: as root alone")
async def test_sipp_is_dialled_as_a_terminal_and_seen(shard: Shard, tmp_path: Path) -> None:
    (tmp_path / "terminal.pcap").write_bytes(captured(b"SIPP", 20))
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a)
    port, media_port = free_udp_port(), free_udp_port()
    area_id = shard.rows.areas["a"]
    whole_days = [{"days": [0, 1, 2, 3, 4, 5, 6], "from_min": 0, "until_min": 24 * 60}]
    shard.rows.write("sites.hours", area_id=area_id, hours=whole_days, user_id="x")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True, rooms={"hall": area_id}) as exchange,
        sipp(
            tmp_path, "terminal", exchange.port, port, "-m", "1", "-mp", str(media_port & ~1)
        ) as process,
    ):
        seat = {"kind": "sip", "subject": f"sip:hall@127.0.0.1:{port}", "name": "hall"}
        (participant_id,) = shard.write("invite", meeting_id, participants=[seat], invited_by="x")
        await shard.written(lambda: shard.rows.participant(participant_id).state == "connected")
        await page.look(("v0", participant_id))
        await page.site.until(lambda: b"SIPP" in marks(page.site.in_slot("v0")), 30)
        await shard.command("end", meeting_id, reason="chair")
        assert await process.wait() == 0
    assert "offered m=video" in logs(tmp_path)
