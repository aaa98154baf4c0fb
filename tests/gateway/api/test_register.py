"""The register: who may read what of it, and that nothing is shown which it does not know of."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.audit import AuditRecord, ReasonGiven, append
from gateway.audit.checkpoints import CheckpointWriter, signing_key
from gateway.audit.verify import verify
from gateway.database.audit_tables import audit_log
from gateway.identifiers import US_PER_S
from tests.gateway.api.conftest import County


def look(county: County, user: str, action: str = "playback.open", **given: Any) -> AuditRecord:
    return AuditRecord(
        action,
        user_id=county.users[user],
        user_name=user,
        address=given.pop("address", "10.1.2.3"),
        camera_id=given.pop("camera_id", county.camera),
        area_path=given.pop("area_path", f"{county.root}/{county.town}/{county.village}/"),
        detail=given.pop("detail", {}),
    ).because(ReasonGiven(**given))


@pytest.fixture
async def looked(county: County) -> httpx.AsyncClient:
    """Some looks, and an auditor of the county."""
    for name in ("wang", "li"):
        await county.user(name, "operator")
    await county.user("auditor", "auditor")
    await append(
        county.services.rows,
        [
            look(county, "wang", code="incident", text="打架", case_id="A4208-17"),
            look(county, "wang", code="other", text="=cmd|' /C calc'!A0"),
            look(county, "li", "live.open", code="patrol", address="10.9.9.9"),
            look(
                county,
                "li",
                camera_id=county.other_camera,
                area_path=f"{county.root}/{county.other_town}/",
                code="traffic",
                detail={"plate": "鄂H12345"},
            ),
        ],
    )
    return await county.sign_in("auditor")


FOUND_BY: list[tuple[dict[str, str], list[str]]] = [
    ({"user_id": "{wang}"}, ["playback.open", "playback.open"]),
    ({"action": "live.open"}, ["live.open"]),
    ({"action": "live."}, ["live.open"]),
    ({"action": "live"}, []),
    ({"reason_code": "traffic"}, ["playback.open"]),
    ({"case_id": "A4208-17"}, ["playback.open"]),
    ({"address": "10.9.9.9"}, ["live.open"]),
    ({"query": "打架"}, ["playback.open"]),
    ({"query": "鄂H12345"}, ["playback.open"]),
    ({"query": "桥头"}, ["playback.open"]),
    ({"query": "%"}, []),
    ({"area_id": "{other_town}"}, ["playback.open"]),
    ({"camera_id": "{camera}", "user_id": "{li}"}, ["live.open"]),
    ({"user_id": "{wang}", "end_us": "1"}, []),
]


async def test_records_are_found_by_each_filter(county: County, looked: httpx.AsyncClient) -> None:
    names = {**county.users, "camera": county.camera, "other_town": county.other_town}
    for parameters, found in FOUND_BY:
        filled = {key: value.format(**names) for key, value in parameters.items()}
        answer = await looked.get("/api/audit", params=filled)
        assert answer.status_code == 200, parameters
        actions = [one["action"] for one in answer.json()["items"]]
        looks = [one for one in actions if not one.startswith(("audit.", "user."))]
        assert looks == found, parameters


async def test_a_record_says_everything(county: County, looked: httpx.AsyncClient) -> None:
    answer = await looked.get("/api/audit", params={"case_id": "A4208-17"})
    (one,) = answer.json()["items"]
    assert one["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    assert (one["camera_name"], one["reason_code"], one["reason"]) == ("村口", "incident", "打架")


async def test_pages_follow_one_another(county: County, looked: httpx.AsyncClient) -> None:
    found, cursor = [], None
    while True:
        parameters = {"action": "playback.", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await looked.get("/api/audit", params=parameters)).json()
        found += [one["sequence"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == 3
    assert found == sorted(found, reverse=True)


async def test_reading_is_on_record_with_what_was_looked_for(
    county: County, looked: httpx.AsyncClient
) -> None:
    await looked.get("/api/audit", params={"query": "王", "start_us": "5"})
    page = (await looked.get("/api/audit", params={"action": "audit.read"})).json()["items"]
    assert page[1]["detail"] == {"filters": {"query": "王"}}
    assert (page[1]["user_name"], page[1]["start_us"]) == ("auditor", 5)


async def test_no_page_is_read_unrecorded(county: County, looked: httpx.AsyncClient) -> None:
    # A cursor that nobody gave out shows the newest as well.
    await looked.get("/api/audit", params={"cursor": 2**60, "query": "王"})
    read = (await looked.get("/api/audit", params={"action": "audit.read"})).json()["items"]
    assert [one["detail"] for one in read[1:]] == [{"filters": {"query": "王"}, "before": 2**60}]


async def test_an_auditor_of_a_town_sees_that_town(county: County, looked: Any) -> None:
    await county.user("town", "auditor", county.other_town)
    client = await county.sign_in("town")
    page = (await client.get("/api/audit")).json()["items"]
    assert {one["camera_id"] for one in page} == {county.other_camera}
    sheet = (await client.get("/api/audit.csv")).text
    assert county.other_camera in sheet
    assert county.camera not in sheet
    foreign = await client.get("/api/audit", params={"area_id": county.town})
    assert foreign.status_code == 404
    report = (await client.get("/api/audit/report", params={"start_us": 0, "end_us": 1})).json()
    assert report["looks"] == 0


async def test_a_sheet_opens_in_a_spreadsheet_and_runs_nothing(
    county: County, looked: httpx.AsyncClient
) -> None:
    answer = await looked.get("/api/audit.csv", params={"action": "playback."})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [line["user_name"] for line in lines] == ["wang", "wang", "li"]
    assert lines[0]["at"].endswith("+08:00")
    assert not lines[1]["reason"].startswith("=")
    assert "cmd|" in lines[1]["reason"]
    assert "X-Gridsight-Truncated" not in answer.headers


async def test_the_report_and_its_sheet(county: County, looked: httpx.AsyncClient) -> None:
    await append(county.services.rows, [look(county, "li", code="other", text="测试")])
    async with county.services.reader.connect() as connection:
        at_us = (await connection.execute(sa.select(sa.func.max(audit_log.c.at_us)))).scalar_one()
    period = {"start_us": at_us - 60 * US_PER_S, "end_us": at_us + 1}
    report = (await looked.get("/api/audit/report", params=period)).json()
    assert (report["looks"], report["people"]) == (5, 2)
    assert report["counts"]["filler_reason"] == 1
    finding = next(one for one in report["findings"] if one["kind"] == "filler_reason")
    assert (finding["user_name"], finding["example"], finding["count"]) == ("li", "测试", 1)
    sheet = (await looked.get("/api/audit/report.csv", params=period)).content
    lines = list(csv.DictReader(io.StringIO(sheet.decode("utf-8-sig"))))
    assert "测试" in [line["example"] for line in lines]
    for bad in ({"start_us": 5, "end_us": 5}, {"start_us": 0, "end_us": 93 * 86400 * US_PER_S}):
        assert (await looked.get("/api/audit/report", params=bad)).status_code == 422


async def test_what_was_refused_is_on_record_once_a_minute(
    county: County, looked: httpx.AsyncClient
) -> None:
    await county.user("foreign", "operator", county.other_town)
    client = await county.sign_in("foreign")
    for _ in range(3):
        assert (await client.get(f"/api/cameras/{county.camera}")).status_code == 404
        body = {"camera_id": county.camera}
        assert (await client.post("/api/live", json=body)).status_code == 404
    page = (await looked.get("/api/audit", params={"action": "access.refused"})).json()["items"]
    assert [(one["detail"]["path"], one["detail"]["right"]) for one in page] == [
        ("/api/live", "live"),
        (f"/api/cameras/{county.camera}", None),
    ]
    assert {(one["user_name"], one["camera_id"]) for one in page} == {("foreign", county.camera)}


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/api/audit", "audit"),
        ("/api/users", "users"),
        ("/api/tokens", "users"),
        ("/api/sheets/cameras.csv", "configure"),
    ],
)
async def test_who_asks_for_what_they_may_do_nowhere_is_on_record(
    county: County, looked: httpx.AsyncClient, path: str, right: str
) -> None:
    client = await county.sign_in("wang")
    assert (await client.get(path)).status_code == 403
    page = (await looked.get("/api/audit", params={"action": "access.refused"})).json()["items"]
    assert [(one["user_name"], one["detail"]["right"]) for one in page] == [("wang", right)]


# ---- nothing is shown that is not on record


@pytest.fixture
def engine(county: County) -> Iterator[sa.Engine]:
    """The writer's own."""
    yield county.services.rows._engine  # type: ignore[attr-defined]


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("fault", "cure"),
    [
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823"),
    ],
    ids=["read-only database", "full disk"],
)
async def test_nothing_is_shown_while_the_register_cannot_be_written(
    county: County, engine: sa.Engine, fault: str, cure: str
) -> None:
    await county.user("desk", "operator")
    client = await county.sign_in("desk")
    await county.write(
        "processes.report",
        name="footage-1",
        kind="footage",
        node="here",
        process_id=1,
        http_address="127.0.0.1",
        http_port=1,
        started_us=1,
    )
    # A whole page of words, so that a full disk has no room left in the last one.
    body = {
        "camera_ids": [county.camera],
        "start_us": 1,
        "end_us": 2,
        "purpose": {"code": "other", "text": "找" * 500},
    }
    assert (await client.post("/api/playback", json=body)).status_code == 200
    secret = county.services.secret
    folder = county.services.settings.data_directory
    signer = CheckpointWriter(engine, folder, secret)
    signer.open()
    signer.write_line()

    _tell(engine, fault)
    statuses = [(await client.post("/api/playback", json=body)).status_code for _ in range(8)]
    # What fits into the file as it is may still be written, and then be shown.
    assert statuses[-1] == 503
    _tell(engine, cure)
    assert (await client.post("/api/playback", json=body)).status_code == 200

    with engine.connect() as connection:
        opened = connection.execute(
            sa.select(sa.func.count()).where(audit_log.c.action == "playback.open")
        ).scalar_one()
        report = verify(connection, folder, signing_key(secret).public_key())
    assert opened == 2 + statuses.count(200)
    assert report.faults == ()


def _tell(engine: sa.Engine, pragma: str) -> None:
    """Without a transaction, which a database that cannot be written refuses."""
    connection = engine.raw_connection()
    connection.cursor().execute(pragma)
    connection.close()
