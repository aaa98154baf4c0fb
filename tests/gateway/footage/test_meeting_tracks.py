"""A meeting's recorded tracks play as footage does, each under its own id, and to nobody else."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

import gateway.audit.watched_rows  # noqa: F401
from gateway.database.audit_tables import audit_log
from gateway.database.meeting_tables import meeting_recordings, meetings
from gateway.footage.renders import RenderServer
from gateway.identifiers import now_us
from gateway.shard.web import serve_http
from recorder.spool_header import RecordedSource
from tests.gateway.footage.conftest import CAMERA, START_US, Clip, World
from tests.gateway.footage.media import decode_everything

PROGRAM = "mtg_1.program"
MEETING = {
    "id": "mtg_1", "title": "会商", "area_id": "area", "state": "ended", "version": 1,
    "created_us": 1, "created_by": "usr_1", "scheduled_us": 1, "planned_s": 60,
    "starts_itself": False, "rings": False, "lobby": False, "locked": False,
    "muted_on_entry": False, "records": True, "layout": "speaker",
}  # fmt: skip


async def record(world: World, clip: Clip, source_id: str) -> None:
    """As a shard records a meeting, under times that have passed."""
    await world.rows.write("recorder.assign", source_id=source_id, owner="shard-1", now_us=now_us())
    kind, variant = "meeting", source_id.partition("/")[2]
    writer = await world.recorder.copy(RecordedSource(source_id, kind, "mtg_1", variant, 1))
    writer._filmed_now = False
    writer.on_run_started(clip.tracks)
    for unit in clip.units[:100]:
        writer.on_access_unit(replace(unit, wall_us=START_US + unit.pts_90k * 100 // 9))
    world.recorder.end_copy(writer)
    assert await world.recorder.uploader.drain(30)


async def test_a_track_plays_under_its_id_with_dots(world, h264, tmp_path) -> None:
    await record(world, h264, "mtg_1/program")
    await record(world, h264, "mtg_1/mpt_1/camera")
    await world.open(camera_ids=(PROGRAM, "mtg_1.mpt_1.camera"))
    for footage_id in (PROGRAM, "mtg_1.mpt_1.camera"):
        query = f"/index?start_us={START_US}&end_us={START_US + 100_000_000}"
        answer = await world.http.get(world.url(query, footage_id))
        assert answer.status_code == 200, answer.text
        index = answer.json()
        assert sum(index["fragments"]["duration_us"]) == 10_000_000
        run = index["runs"][0]["run_id"]
        media = (await world.http.get(world.url(f"/runs/{run}/init.mp4", footage_id))).content
        for number, segment in zip(
            index["fragments"]["number"], index["fragments"]["segment_id"], strict=True
        ):
            path = f"/segments/{segment}/fragments/{number}-{number}.m4s"
            media += (await world.http.get(world.url(path, footage_id))).content
        path = tmp_path / f"{footage_id}.mp4"
        path.write_bytes(media)
        assert decode_everything(path) == ""


async def test_a_session_sees_the_tracks_that_it_names_alone(world, h264) -> None:
    await record(world, h264, "mtg_1/program")
    await record(world, h264, "mtg_1/mpt_1/camera")
    await world.open(camera_ids=(PROGRAM,))
    query = f"/index?start_us={START_US}&end_us={START_US + 100_000_000}"
    segment = (await world.http.get(world.url(query, PROGRAM))).json()["fragments"]["segment_id"][0]
    other = await world.http.get(world.url(query, "mtg_1.mpt_1.camera"))
    assert other.status_code == 404
    # Its own session does not lead to another track's segments, nor a camera's to a meeting's.
    await world.open(camera_ids=("mtg_1.mpt_1.camera", CAMERA), session_id="ses_2")
    for footage_id in ("mtg_1.mpt_1.camera", CAMERA):
        path = world.url(f"/segments/{segment}/fragments/0-0.m4s", footage_id)
        assert (await world.http.get(path)).status_code == 404
    empty = await world.http.get(world.url(query, CAMERA))
    assert empty.json()["fragments"]["number"] == []


async def test_what_was_watched_is_in_the_register_as_the_meetings(world, h264) -> None:
    with world.rows._engine.begin() as connection:
        connection.execute(sa.insert(meetings).values(**MEETING))
    await record(world, h264, "mtg_1/program")
    await world.open(camera_ids=(PROGRAM,))
    query = f"/index?start_us={START_US}&end_us={START_US + 100_000_000}"
    fragments = (await world.http.get(world.url(query, PROGRAM))).json()["fragments"]
    path = f"/segments/{fragments['segment_id'][0]}/fragments/0-0.m4s"
    assert (await world.http.get(world.url(path, PROGRAM))).status_code == 200
    world.server.asked.watched.ended(["ses_1"])
    await world.server.asked.watched._log.flush()
    async with world.engine.connect() as connection:
        (row,) = (await connection.execute(sa.select(audit_log))).all()
    assert (row.action, row.camera_id, row.area_path) == ("playback.watched", None, "area/")
    assert '"meeting_id": "mtg_1"' in row.detail
    assert PROGRAM in row.detail


async def test_a_recording_cannot_be_taken_away_by_the_footage_servers_download(
    world, h264
) -> None:
    await record(world, h264, "mtg_1/program")
    await world.open(camera_ids=(PROGRAM,))
    path = f"/mp4?start_us={START_US}&end_us={START_US + 10_000_000}"
    assert (await world.http.get(world.url(path, PROGRAM))).status_code == 404
    borrowed = await world.http.post(world.url(f"/borrow?at_us={START_US}", PROGRAM))
    assert borrowed.status_code in (404, 410)


async def test_a_rendered_recording_is_given_to_its_ticket_in_any_part(world, tmp_path) -> None:
    content = bytes(range(256)) * 5000
    made = tmp_path / "made.mp4"
    made.write_bytes(content)
    await world.store.put("meetings/mtg_1/renders/mrec_1-0.mp4", made)
    with world.rows._engine.begin() as connection:
        connection.execute(sa.insert(meetings).values(**MEETING))
        connection.execute(
            sa.insert(meeting_recordings).values(
                id="mrec_1", meeting_id="mtg_1", started_us=1, ended_us=2, render_state="done",
                render_key="meetings/mtg_1/renders/mrec_1-0.mp4", render_bytes=len(content),
                render_sha256="ab",
            )
        )  # fmt: skip
    server = RenderServer(world.engine, world.server.asked.sessions, world.store)
    async with serve_http("footage-1", server.routes()) as port:
        url = f"http://127.0.0.1:{port}/s/footage-1/renders/mrec_1.mp4"
        assert (await world.http.get(url)).status_code == 401
        playing = world.ticket(camera_ids=("mtg_1.program",))
        assert (await world.http.get(url, params={"ticket": playing})).status_code == 401
        taking = {"ticket": world.ticket(action="export", package="render/mrec_1")}
        whole = await world.http.get(url, params=taking)
        assert (whole.status_code, whole.content) == (200, content)
        part = await world.http.get(url, params=taking, headers={"Range": "bytes=1000000-1000099"})
        assert (part.status_code, part.content) == (206, content[1_000_000:1_000_100])
        other = {"ticket": world.ticket(action="export", package="render/mrec_2")}
        assert (await world.http.get(url, params=other)).status_code == 401
        with world.rows._engine.begin() as connection:
            connection.execute(sa.update(meeting_recordings).values(removed_us=3))
        assert (await world.http.get(url, params=taking)).status_code in (404, 410)
