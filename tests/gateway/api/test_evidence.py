"""Cases, holds and exports, as people ask for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.evidence_tables import export_jobs
from gateway.database.tables import audit_log
from gateway.evidence.sm2 import Sm2PrivateKey
from gateway.identifiers import now_us
from gateway.settings import AccountabilitySettings, EvidenceSettings
from recorder.tables import held_ranges
from tests.gateway.api.conftest import County

HOUR = 3_600_000_000


async def signed_in(county: County, name: str, role: str, area: str = "") -> httpx.AsyncClient:
    await county.user(name, role, area or county.town)
    return await county.sign_in(name)


async def good(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


async def actions(county: County) -> list[str]:
    """What was done, without what was refused."""
    async with county.services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(audit_log.c.action)
            .where(audit_log.c.action != "access.refused")
            .order_by(audit_log.c.sequence)
        )
        return list(rows.scalars())


def case_form(county: County, number: str = "A 2026-17") -> dict[str, Any]:
    return {"number": number, "title": "白色面包车", "area_id": county.village}


def minutes(county: County, **more: Any) -> dict[str, Any]:
    end_us = now_us()
    return {"camera_id": county.camera, "start_us": end_us - HOUR, "end_us": end_us, **more}


async def test_a_case_from_its_opening_to_its_end(county: County) -> None:
    wang = await signed_in(county, "wang", "investigator")
    li = await signed_in(county, "li", "operator")
    case = await good(await wang.post("/api/cases", json=case_form(county)), 201)
    assert case["role"] == "lead" and case["state"] == "open"
    assert case["area_path"] == ["钟祥县", "石牌镇", "彭墩村"]
    here = f"/api/cases/{case['id']}"
    await refused(await li.get(here), 404, "not_found")

    await good(await wang.put(f"{here}/members/LI", json={"role": "member"}), 204)
    await good(await li.post(f"{here}/notes", json={"text": "见 02:14"}), 201)
    await good(await li.post(f"{here}/items", json=minutes(county, title="车来了")), 201)
    hold = minutes(county, reason="案件", case_id=case["id"])
    await refused(await li.post("/api/holds", json=hold), 403, "not_allowed")
    held = await good(await wang.post("/api/holds", json=hold), 201)

    document = await good(await li.get(here))
    assert [one["name"] for one in document["members"]] == ["wang", "li"]
    assert document["notes"][0]["author"] == "li!"
    assert document["items"][0]["camera_name"] == "村口"
    assert document["holds"][0]["id"] == held["id"]
    assert [one["id"] for one in (await good(await li.get("/api/cases?query=a2026")))["items"]] == [
        case["id"]
    ]

    closing = {"note": "结案", "release_holds": True}
    await refused(await li.post(f"{here}/close", json=closing), 403, "not_allowed")
    assert (await good(await wang.post(f"{here}/close", json=closing)))["state"] == "closed"
    await refused(await li.post(f"{here}/notes", json={"text": "!"}), 409, "case_closed")
    await refused(await wang.post("/api/holds", json=hold), 409, "case_closed")
    assert await _held_ranges(county) == []
    await good(await wang.post(f"{here}/reopen"))
    await good(await li.post(f"{here}/notes", json={"text": "又见"}), 201)
    assert await actions(county) == [
        "case.open", "case.member", "case.note", "case.add", "hold.place", "case.close",
        "case.reopen", "case.note",
    ]  # fmt: skip


async def test_a_number_is_given_once_and_a_case_keeps_a_lead(county: County) -> None:
    wang = await signed_in(county, "wang", "investigator")
    case = await good(await wang.post("/api/cases", json=case_form(county)), 201)
    again = case_form(county, " a2026-17")
    await refused(await wang.post("/api/cases", json=again), 409, "case_number_taken")
    here = f"/api/cases/{case['id']}/members"
    await refused(await wang.delete(f"{here}/wang"), 409, "last_lead")
    await refused(await wang.put(f"{here}/wang", json={"role": "member"}), 409, "last_lead")
    await refused(await wang.put(f"{here}/nobody", json={"role": "lead"}), 404, "not_found")
    await county.user("zhao", "investigator", county.town)
    await good(await wang.put(f"{here}/zhao", json={"role": "lead"}), 204)
    await good(await wang.delete(f"{here}/wang"), 204)
    await refused(await wang.get(f"/api/cases/{case['id']}"), 404, "not_found")


async def _held_ranges(county: County) -> list[str]:
    async with county.services.reader.connect() as connection:
        return list((await connection.execute(sa.select(held_ranges.c.id))).scalars())


async def test_nobody_takes_a_hold_away_who_may_not_hold(county: County) -> None:
    wang = await signed_in(county, "wang", "investigator")
    case = await good(await wang.post("/api/cases", json=case_form(county)), 201)
    hold = await good(
        await wang.post("/api/holds", json=minutes(county, reason="!", case_id=case["id"])), 201
    )
    here = f"/api/holds/{hold['id']}"
    admin = await signed_in(county, "chief", "area_admin")
    foreigner = await signed_in(county, "far", "investigator", county.other_town)
    colleague = await signed_in(county, "zhao", "investigator")
    release = {"reason": "I want the space"}
    await refused(await admin.post(f"{here}/release", json=release), 403, "not_allowed")
    await refused(await admin.patch(here, json={"expires_us": now_us() + HOUR}), 403, "not_allowed")
    await refused(await foreigner.post(f"{here}/release", json=release), 404, "not_found")
    # An investigator of the same place, but not of the case.
    await refused(await colleague.post(f"{here}/release", json=release), 404, "not_found")
    (seen,) = (await good(await admin.get("/api/holds")))["items"]
    assert seen["id"] == hold["id"] and seen["case_number"] is None
    assert (await good(await foreigner.get("/api/holds")))["items"] == []
    # Deleting the camera, and its retention, take nothing either: the range is still held.
    await good(await admin.patch(f"/api/cameras/{county.camera}", json={"retention_days": 1}))
    await good(await admin.delete(f"/api/cameras/{county.camera}"), 204)
    assert await _held_ranges(county) == [hold["id"]]

    released = await good(await wang.post(f"{here}/release", json={"reason": "结案"}))
    assert released["released_by"] == "wang!" and released["release_reason"] == "结案"
    assert await _held_ranges(county) == []
    await refused(await wang.post(f"{here}/release", json=release), 409, "conflict")
    assert (await good(await wang.get("/api/holds")))["items"] == []
    assert len((await good(await wang.get("/api/holds?released=true")))["items"]) == 1


async def test_a_hold_ends_when_its_time_is_over_and_that_is_on_record(county: County) -> None:
    wang = await signed_in(county, "wang", "investigator")
    past = minutes(county, reason="!", expires_us=now_us() - 1)
    await refused(await wang.post("/api/holds", json=past), 422, "invalid")
    form = minutes(county, reason="!", expires_us=now_us() + HOUR)
    hold = await good(await wang.post("/api/holds", json=form), 201)
    assert await county.write("evidence.expire_holds") == []
    await county.write("evidence.prolong_hold", hold_id=hold["id"], expires_us=now_us() - 1)
    assert await county.write("evidence.expire_holds") == [hold["id"]]
    assert await _held_ranges(county) == []
    assert (await actions(county))[-1] == "hold.expire"


@pytest.mark.parametrize(
    "changes",
    [
        {"end_us": 1},
        {"reason": "  "},
        {"reason": "x" * 501},
        {"camera_id": "../../etc"},
        {"start_us": -1},
        {"unknown": 1},
    ],
)
async def test_a_hold_that_makes_no_sense_is_refused(
    county: County, changes: dict[str, Any]
) -> None:
    wang = await signed_in(county, "wang", "investigator")
    answer = await wang.post("/api/holds", json=minutes(county, **{"reason": "!", **changes}))
    assert answer.status_code in (404, 422)
    assert await _held_ranges(county) == []


def export_form(county: County, **changes: Any) -> dict[str, Any]:
    end_us = now_us()
    times = {"start_us": end_us - HOUR, "end_us": end_us}
    return {"camera_ids": [county.camera], **times, **changes}


async def test_an_export_is_ordered_seen_and_ended_by_who_may(county: County) -> None:
    wang = await signed_in(county, "wang", "investigator")
    case = await good(await wang.post("/api/cases", json=case_form(county)), 201)
    await county.user("li", "investigator", county.town)
    li = await county.sign_in("li")
    operator = await signed_in(county, "op", "operator")
    form = export_form(county, case_id=case["id"], burn_in={"time": True})
    await refused(await operator.post("/api/exports", json=form), 403, "not_allowed")
    # Not a member: of the case nothing is known.
    await refused(await li.post("/api/exports", json=form), 404, "not_found")
    foreign = export_form(county, camera_ids=[county.camera, county.other_camera])
    await refused(await wang.post("/api/exports", json=foreign), 404, "not_found")

    form["end_us"] += HOUR  # of which there is nothing yet
    job = await good(await wang.post("/api/exports", json=form), 201)
    assert job["end_us"] <= now_us()
    assert job["state"] == "queued" and job["queue_position"] == 1
    assert job["burn_in"] == {"time": True, "viewer": False, "masks": False}
    assert await _held_ranges(county) == [f"{job['id']}/0"]
    here = f"/api/exports/{job['id']}"
    await refused(await li.get(here), 404, "not_found")
    await good(await wang.put(f"/api/cases/{case['id']}/members/li", json={}), 204)
    assert (await good(await li.get(here)))["id"] == job["id"]
    assert (await good(await li.get("/api/exports")))["items"] == []
    listed = await good(await li.get(f"/api/exports?case_id={case['id']}"))
    assert [one["id"] for one in listed["items"]] == [job["id"]]
    await refused(await wang.post(f"{here}/download", json={}), 409, "conflict")
    await refused(await li.post(f"{here}/cancel"), 403, "not_allowed")
    assert (await good(await wang.post(f"{here}/cancel")))["state"] == "cancelled"
    assert await _held_ranges(county) == []
    assert "export.order" in await actions(county) and "export.cancel" in await actions(county)


async def test_an_order_that_makes_no_sense_is_refused(county: County) -> None:
    wang = await signed_in(county, "wang", "investigator")
    for changes in (
        {"camera_ids": []},
        {"camera_ids": [county.camera] * 17},
        {"start_us": now_us() - 25 * HOUR},
        {"start_us": now_us() + HOUR, "end_us": now_us() + 2 * HOUR},
        {"viewing": "maybe"},
        {"utc_offset_minutes": 10_000},
    ):
        answer = await wang.post("/api/exports", json=export_form(county, **changes))
        await refused(answer, 422, "invalid")
    past = {"start_us": 1, "end_us": 2}
    await refused(
        await wang.post("/api/exports", json=export_form(county, **past)), 404, "no_footage"
    )


async def test_an_export_says_why_with_a_case(county: County) -> None:
    strict = AccountabilitySettings(live_purpose=False, playback_reason=True)
    object.__setattr__(county.services.settings, "accountability", strict)
    wang = await signed_in(county, "wang", "investigator")
    case = await good(await wang.post("/api/cases", json=case_form(county)), 201)
    form = export_form(county)
    await refused(await wang.post("/api/exports", json=form), 422, "purpose_required")
    form["purpose"] = {"code": "incident"}
    await refused(await wang.post("/api/exports", json=form), 422, "case_required")
    # The case that it is for says which case it is for.
    form["case_id"] = case["id"]
    job = await good(await wang.post("/api/exports", json=form), 201)
    async with county.services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(audit_log).where(audit_log.c.action == "export.order")
            )
        ).one()
        order = (
            await connection.execute(
                sa.select(export_jobs.c.order).where(export_jobs.c.id == job["id"])
            )
        ).scalar_one()
    assert (row.reason_code, row.case_id) == ("incident", "A 2026-17")
    assert order["reason"]["case_id"] == "A 2026-17"
    assert order["case"]["title"] == "白色面包车"


async def test_the_key_and_the_verifier_are_given_to_who_has_signed_in(county: County) -> None:
    viewer = await signed_in(county, "wu", "viewer")
    key = await good(await viewer.get("/api/evidence/key"))
    assert len(key["public_key"]) == 64 and key["sm2"] is None
    page = await viewer.get("/api/evidence/verifier.html")
    assert page.headers["content-disposition"].startswith("attachment")
    assert b"verifyEd25519" in page.content
    stranger = await county.sign_in(None)
    assert (await stranger.get("/api/evidence/key")).status_code == 401


async def test_a_county_may_sign_with_its_own_sm2_key_too(county: County, tmp_path: Path) -> None:
    path = tmp_path / "sm2.key"
    evidence = EvidenceSettings(sm2_key_file=path)
    object.__setattr__(county.services.settings, "evidence", evidence)
    viewer = await signed_in(county, "wu", "viewer")
    assert (await viewer.get("/api/evidence/key")).status_code == 503
    path.write_text("not a key")
    assert "SM2 private key" in (await viewer.get("/api/evidence/key")).text
    path.write_text(f"{12345:064x}")
    found = (await good(await viewer.get("/api/evidence/key")))["sm2"]
    assert found["public_key"] == Sm2PrivateKey(12345).public_key().to_bytes().hex()
