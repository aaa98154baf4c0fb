"""The API's description: complete, true, and readable without a script."""

from __future__ import annotations

from typing import Any

from tests.gateway.api.conftest import County

# What is not JSON, and what answers nothing.
OTHER_ANSWERS = {
    "/metrics": "text/plain",
    "/api/cameras/{camera_id}/snapshot.jpg": None,
    "/api/health/report.xlsx": None,
    "/api/map/tiles/{zoom}/{column}/{row}": None,
    "/api/health/cameras/{camera_id}/picture.jpg": None,
    "/api/audit.csv": None,
    "/api/audit/report.csv": None,
    "/api/retention.csv": None,
    "/api/forecast.{form}": None,
    "/api/evidence/verifier.html": None,
    "/api/sheets/{kind}.{form}": None,
    "/api/imports/{import_id}/passwords.csv": None,
    "/api/sightings/{sighting_id}/pictures/{number}": None,
    "/api/search/passages/{passage_id}/crop": None,
    "/api/search/looks/{look_id}/picture": None,
    "/api/search/photos/{photo_id}/picture": None,
    "/api/analysis/boxes": None,
    "/api/meetings/{meeting_id}/participants/{participant_id}/snapshot.jpg": None,
    "/api/meetings/{meeting_id}/roll-calls/{roll_call_id}.xlsx": None,
    "/api/meetings/{meeting_id}/roll-calls/{roll_call_id}"
    "/answers/{participant_id}/snapshot.jpg": None,
    "/api/meetings/{meeting_id}/attendance.xlsx": None,
    "/api/meetings/{meeting_id}/files/{file_id}": None,
    "/api/incident-statistics/sheet": None,
    "/api/assist/{assist_id}/summary.xlsx": None,
    "/api/assist/photos/{assist_photo_id}/picture": None,
    "/api/attachments/{attachment_id}/content": None,
    "/api/attachments/{attachment_id}/thumbnail": None,
    "/api/field/grids/sheet": None,
    # Line by line.
    "/api/search": "application/x-ndjson",
    "/api/search/change": "application/x-ndjson",
    "/api/search/passages/{passage_id}/also-seen": "application/x-ndjson",
    "/api/cameras/{camera_id}/diagnosis": "application/x-ndjson",
    "/api/platforms/discovery": "application/x-ndjson",
    "/api/platforms/probe-many": "application/x-ndjson",
}


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def successes(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(operation, path, response) of everything that is answered with a body."""
    return [
        (f"{method.upper()} {path}", path, response)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and status != "204"
    ]


def test_every_json_answer_is_described_field_by_field(county: County) -> None:
    document = county.app.openapi()
    described = 0
    for operation, path, response in successes(document):
        if path in OTHER_ANSWERS or path.startswith("/s/"):
            continue
        schema = resolve(document, response["content"]["application/json"]["schema"])
        assert schema.get("properties"), f"{operation} does not say what it answers"
        item = resolve(document, schema["properties"].get("items", {}).get("items", schema))
        assert item.get("description"), f"{operation} does not say what its answer means"
        described += 1
    assert described > 25


def test_failures_are_described_as_they_are(county: County) -> None:
    document = county.app.openapi()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for operation in operations.values() if path not in OTHER_ANSWERS else ():
            failure = operation["responses"]["4XX"]["content"]["application/json"]["schema"]
            assert set(resolve(document, failure)["properties"]) == {"error"}


async def test_what_is_not_known_is_left_out_and_what_is_null_is_there(county: County) -> None:
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    camera = (await client.get(f"/api/cameras/{county.camera}")).json()
    assert camera["states"] == {
        "main": {"state": "connecting", "since_us": 0, "recording": False, "viewers": 0}
    }
    assert camera["sub_url"] is None
    user = (await client.get("/api/users")).json()["items"][0]
    assert "one_time_password" not in user
    made = (await client.post("/api/users", json={"name": "newcomer"})).json()
    assert made["one_time_password"]
    await client.aclose()


async def test_nothing_that_a_shard_says_of_a_camera_is_lost(county: County) -> None:
    said: dict[str, Any] = {
        "state": "offline", "since_us": 5, "cause": "camera_offline", "detail": "no answer",
        "retry_at_us": 9, "codec": "h265", "width": 1920, "height": 1080, "has_b_frames": False,
        "audio_codec": "pcma", "frames_per_second": 25.0, "bitrate_bps": 2_000_000, "gop_s": 2.0,
        "recording": True, "viewers": 3, "gaps": 1,
    }  # fmt: skip
    county.services.states._states[county.camera] = {"main": said}
    await county.user("admin", "system_admin")
    client = await county.sign_in("admin")
    page = (await client.get("/api/cameras", params={"query": "村口"})).json()
    assert page["items"][0]["states"]["main"] == said
    await client.aclose()


async def test_the_page_shows_answers_and_holds_no_script(county: County) -> None:
    client = await county.sign_in(None)
    page = (await client.get("/docs")).text
    await client.aclose()
    assert "<script" not in page
    assert "one_time_password?: string" in page
    assert "→ 200" in page
    assert "[name]: {" in page  # the states of a camera, by variant
