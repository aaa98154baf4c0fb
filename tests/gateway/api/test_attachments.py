"""Files that people bring, through the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.attachments import subjects
from gateway.attachments.expiry import AttachmentExpiry
from gateway.attachments.rows import attach, release
from gateway.database.tables import audit_log
from gateway.identifiers import now_us
from recorder.rows import row_operation
from tests.gateway.api.conftest import County
from tests.gateway.attachments.files import photo, video

DAY_US = 86_400_000_000


@row_operation("tests.attach")
def _attach(connection: sa.Connection, file_id: str, subject_id: str, user_id: str) -> None:
    attach(connection, [file_id], "tested", subject_id, user_id)


@row_operation("tests.release")
def _release(connection: sa.Connection, subject_id: str) -> None:
    release(connection, "tested", subject_id)


async def _keys(county: County) -> list[str]:
    return [one.key async for one in county.services.storage.store.list("attachments/")]


async def _actions(county: County) -> list[str]:
    async with county.services.reader.connect() as connection:
        found = await connection.scalars(
            sa.select(audit_log.c.action)
            .where(audit_log.c.action.like("attachment.%"))
            .order_by(audit_log.c.sequence)
        )
        return list(found)


async def test_a_photo_is_shown_to_who_brought_it_and_to_who_sees_its_subject(
    county: County,
) -> None:
    await county.user("worker", "field_worker", county.village)
    await county.user("clerk", "operator", county.town)
    async with await county.sign_in("worker") as worker, await county.sign_in("clerk") as clerk:
        sent = await worker.post(
            "/api/attachments", params={"name": "../<b>路灯</b>.png"}, content=photo()
        )
        assert sent.status_code == 201, sent.text
        assert sent.json()["name"] == "b路灯b.png"
        path = f"/api/attachments/{sent.json()['id']}"
        assert (await worker.get(path)).json() == sent.json()
        assert (await clerk.get(path)).status_code == 404

        async def sight(_: Any, principal: Any, subject_id: str) -> str | None:
            return "" if principal.name == "clerk" and subject_id == "s1" else None

        subjects.seen_by("tested", sight)
        await county.write(
            "tests.attach",
            file_id=sent.json()["id"], subject_id="s1", user_id=county.users["worker"],
        )  # fmt: skip
        assert (await clerk.get(path)).status_code == 200
        shown = await clerk.get(f"{path}/content")
        assert shown.headers["content-type"] == "image/jpeg"
        assert shown.headers["content-security-policy"] == "sandbox"
        assert len(shown.content) == sent.json()["size_bytes"]
        small = await clerk.get(f"{path}/thumbnail")
        assert small.content[:3] == b"\xff\xd8\xff"
        # What is attached is not taken back.
        assert (await worker.delete(path)).status_code == 404
    assert await _actions(county) == ["attachment.add", "attachment.view", "attachment.view"]


async def test_a_player_asks_for_a_video_in_pieces(county: County, tmp_path: Path) -> None:
    await county.user("worker", "field_worker", county.village)
    async with await county.sign_in("worker") as worker:
        sent = await worker.post(
            "/api/attachments", params={"name": "x.mp4"}, content=video(tmp_path / "x.mp4")
        )
        path, size = f"/api/attachments/{sent.json()['id']}/content", sent.json()["size_bytes"]
        whole = (await worker.get(path)).content
        for asked, start, end in (
            ("bytes=0-99", 0, 100), ("bytes=100-", 100, size), ("bytes=-50", size - 50, size),
            ("bytes=5-999999999", 5, size),
        ):  # fmt: skip
            piece = await worker.get(path, headers={"Range": asked})
            assert piece.status_code == 206
            assert piece.content == whole[start:end]
            assert piece.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert (await worker.get(path, headers={"Range": f"bytes={size}-"})).status_code == 416
        for odd in ("bytes=9-2", "bytes=0-1,3-4", "pieces=1-2", "bytes=-"):
            assert (await worker.get(path, headers={"Range": odd})).content == whole


async def test_what_cannot_be_taken_is_refused_and_leaves_nothing(county: County) -> None:
    await county.user("worker", "field_worker", county.village)
    await county.user("auditor", "auditor", county.town)
    async with await county.sign_in("worker") as worker, await county.sign_in("auditor") as auditor:
        huge = await worker.post(
            "/api/attachments",
            params={"name": "x.mp4"}, content=b"", headers={"Content-Length": str(2 * 1024**3)},
        )  # fmt: skip
        assert (huge.status_code, huge.json()["error"]["detail"]) == (
            413, {"limit_bytes": 200 * 1024**2},
        )  # fmt: skip
        for content, status in ((b"", 422), (b"MZ" * 50, 415), (b"\xff\xd8\xff" * 99, 422)):
            refused = await worker.post("/api/attachments", params={"name": "x"}, content=content)
            assert refused.status_code == status, refused.text
        stranger = await auditor.post("/api/attachments", params={"name": "x"}, content=photo())
        assert stranger.status_code == 403
    assert await _keys(county) == []
    folder = county.services.settings.uploads_directory
    assert list(folder.iterdir()) == []


async def test_what_nobody_attached_or_whose_days_are_over_is_deleted(county: County) -> None:
    await county.user("worker", "field_worker", county.village)
    services = county.services
    expiry = AttachmentExpiry(services.settings, services.rows, services.storage.store)
    async with await county.sign_in("worker") as worker:
        loose, kept = [
            (await worker.post("/api/attachments", params={"name": "x"}, content=photo(64))).json()
            for _ in range(2)
        ]
        arguments = {"file_id": kept["id"], "subject_id": "s2", "user_id": county.users["worker"]}
        await county.write("tests.attach", **arguments)
        # Attaching again changes nothing.
        await county.write("tests.attach", **arguments)
        # One that a crash left on its way.
        row = {**kept, "id": "att_cut", "created_by": county.users["worker"], "created_us": None}
        row.pop("created_us")
        await county.write("attachments.announce", columns=row)
        await expiry.run(now_us())
        assert len(await _keys(county)) == 4
        await expiry.run(now_us() + 3 * DAY_US)
        assert {key.split("/")[1] for key in await _keys(county)} == {kept["id"]}
        assert (await worker.get(f"/api/attachments/{loose['id']}")).status_code == 404
        assert (await worker.get(f"/api/attachments/{kept['id']}")).status_code == 200
        await county.write("tests.release", subject_id="s2")
        await expiry.run(now_us() + 3 * DAY_US)
    assert await _keys(county) == []
    assert (await _actions(county))[-2:] == ["attachment.expire", "attachment.expire"]
