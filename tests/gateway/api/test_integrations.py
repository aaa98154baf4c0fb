"""Channels to other systems: who may make them, what is told of them, what is told by them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.incidents.opening import NewIncident
from gateway.settings.outbox import OutboxSettings
from tests.gateway.api.accounts import audited
from tests.gateway.api.conftest import County

CHANNELS = "/api/integrations/channels"
FORM = {"name": "12345 热线", "address": "https://example.com/hook", "topics": ["incidents"]}


@pytest.fixture
async def admin(county: County) -> httpx.AsyncClient:
    await county.user("admin", "system_admin")
    return await county.sign_in("admin")


async def test_its_secret_is_told_once_and_is_nowhere_else(
    county: County, admin: httpx.AsyncClient
) -> None:
    answer = await admin.post(CHANNELS, json=FORM)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["secret"].startswith("whsec_")
    assert (made["enabled"], made["waiting"], made["dead"]) == (True, 0, 0)
    listed = (await admin.get(CHANNELS)).text
    assert made["id"] in listed
    assert 'secret"' not in listed.replace("old_secret", "")
    assert "sealed" not in listed
    (noted,) = await audited(county, "integration.add")
    assert made["secret"] not in str(noted)
    other = (await admin.post(f"{CHANNELS}/{made['id']}/secret")).json()
    assert other["secret"] != made["secret"]
    assert other["old_secret_until_us"] > 0
    (noted,) = await audited(county, "integration.rotate")
    assert other["secret"] not in str(noted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "http://example.com/"},
        {"address": "https://127.0.0.1/"},
        {"address": "https://[::ffff:10.0.0.1]/"},
        {"address": "file:///etc/passwd"},
        {"address": "https://" + "a" * 1000},
        {"topics": ["everything"]},
        {"name": ""},
        {"name": "名" * 101},
        {"secret": "mine"},
    ],
)
async def test_what_cannot_be_a_channel_is_refused_by_field(
    admin: httpx.AsyncClient, wrong: dict[str, object]
) -> None:
    answer = await admin.post(CHANNELS, json={**FORM, **wrong})
    assert answer.status_code == 422
    (field,) = wrong
    assert any(one.startswith(field) for one in answer.json()["error"]["detail"]["fields"])


async def test_two_of_one_name_are_refused(admin: httpx.AsyncClient) -> None:
    await admin.post(CHANNELS, json=FORM)
    answer = await admin.post(CHANNELS, json=FORM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "name_taken")


async def test_each_step_of_an_incident_is_told_once(
    county: County, admin: httpx.AsyncClient
) -> None:
    await admin.post(CHANNELS, json=FORM)
    new = NewIncident("call", "1", county.village, "<b>井盖</b>丢失")
    for _ in range(2):
        incident = await county.write("incidents.open", new=new.to_message())
    page = (await admin.get("/api/integrations/deliveries")).json()
    (told,) = page["items"]
    assert (told["kind"], told["state"], told["channel_name"]) == (
        "incident.opened", "waiting", "12345 热线",
    )  # fmt: skip
    assert told["body"]["id"] == incident
    # As it was written: what it means in a page is the reader's business.
    assert told["body"]["title"] == "<b>井盖</b>丢失"
    (listed,) = (await admin.get(CHANNELS)).json()["items"]
    assert listed["waiting"] == 1


async def test_of_alarms_those_that_explain_the_others_are_told(
    county: County, admin: httpx.AsyncClient
) -> None:
    def alarm(name: str, **columns: object) -> dict[str, object]:
        return {
            "id": name, "kind": "offline", "subject": f"camera:{name}", "camera_id": name,
            "platform_id": None, "switch_id": None, "network": None, "area_id": county.village,
            "search_request_id": None, "begin_us": 1, "end_us": None, "folded_into": None,
            "detail": {}, **columns,
        }  # fmt: skip

    opened = [alarm("switch"), alarm("a", folded_into="switch"), alarm("b", folded_into="switch")]
    secret = alarm("match", search_request_id="srq_1")
    await county.write("alarms.apply", opened=[alarm("before")], changed=[], closed=[])
    await admin.post(CHANNELS, json={**FORM, "topics": ["alarms"]})
    for _ in range(2):
        await county.write("alarms.apply", opened=[*opened, secret], changed=[], closed=[])
    ended = [{"id": one, "end_us": 2} for one in ("switch", "a", "match")]
    await county.write("alarms.apply", opened=[], changed=[], closed=ended)
    told = (await admin.get("/api/integrations/deliveries")).json()["items"]
    assert [(one["kind"], one["body"]["id"], one["body"]["end_us"]) for one in told] == [
        ("alarm.closed", "switch", 2), ("alarm.opened", "switch", None),
    ]  # fmt: skip


async def test_pages_of_deliveries_and_a_trial_message(
    county: County, admin: httpx.AsyncClient
) -> None:
    made = (await admin.post(CHANNELS, json=FORM)).json()
    for _ in range(103):
        assert (await admin.post(f"{CHANNELS}/{made['id']}/test")).status_code == 204
    first = (await admin.get("/api/integrations/deliveries")).json()
    query = {"cursor": first["next_cursor"], "state": "waiting", "channel_id": made["id"]}
    second = (await admin.get("/api/integrations/deliveries", params=query)).json()
    assert (len(first["items"]), len(second["items"])) == (100, 3)
    assert second["next_cursor"] is None
    assert {one["body"]["by"] for one in first["items"]} == {"admin"}
    dead = await admin.get("/api/integrations/deliveries", params={"state": "dead"})
    assert dead.json()["items"] == []
    assert (await admin.get("/metrics")).text.count('channel="12345 热线"') == 4


async def test_a_channel_is_changed_and_removed(county: County, admin: httpx.AsyncClient) -> None:
    made = (await admin.post(CHANNELS, json=FORM)).json()
    path = f"{CHANNELS}/{made['id']}"
    changed = (await admin.patch(path, json={"enabled": False, "topics": ["alarms"]})).json()
    assert (changed["enabled"], changed["topics"], changed["name"]) == (
        False, ["alarms"], FORM["name"],
    )  # fmt: skip
    refused = await admin.patch(path, json={"address": "https://localhost.:0/"})
    assert refused.status_code == 422
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.patch(path, json={"enabled": True})).status_code == 404
    assert (await admin.get(CHANNELS)).json()["items"] == []


def test_networks_that_are_none_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError):
        OutboxSettings(allowed_networks=["10.1.2.3/8x"])


MAIL = {
    "name": "值班邮箱",
    "kind": "email",
    "address": "smtps://mail.example.com",
    "email": {
        "username": "video",
        "password": "correct horse",
        "sender": "video@example.com",
        "recipients": ["a@example.com", "b@example.com", "a@example.com"],
    },
}
MQTT = {
    "name": "消息总线",
    "kind": "mqtt",
    "address": "mqtts://broker.example.com:8883",
    "mqtt": {"username": "video", "password": "correct horse", "topic": "county/alarms"},
}


@pytest.mark.parametrize("form", [MAIL, MQTT])
async def test_an_accounts_password_is_told_to_nobody(
    county: County, admin: httpx.AsyncClient, form: dict[str, Any]
) -> None:
    answer = await admin.post(CHANNELS, json=form)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert "secret" not in made
    expected = {**form[form["kind"]]}
    del expected["password"]
    if "recipients" in expected:
        expected["recipients"] = ["a@example.com", "b@example.com"]
    assert made["options"] == expected
    listed = (await admin.get(CHANNELS)).text
    noted = str(await audited(county, "integration.add"))
    for told in (answer.text, listed, noted):
        assert "correct horse" not in told
        assert "sealed" not in told
    # Only a webhook has a secret of ours.
    refused = await admin.post(f"{CHANNELS}/{made['id']}/secret")
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("address", "account"),
    [
        ({"address": "smtps://elsewhere.example.com"}, {}),
        ({"address": "smtp://mail.example.com"}, {}),
        ({}, {"username": "root"}),
    ],
)
async def test_a_kept_password_goes_nowhere_else(
    county: County,
    admin: httpx.AsyncClient,
    address: dict[str, str],
    account: dict[str, str],
) -> None:
    made = (await admin.post(CHANNELS, json=MAIL)).json()
    path = f"{CHANNELS}/{made['id']}"
    options = {**made["options"], **account}
    refused = await admin.patch(path, json={**address, "email": options})
    assert refused.status_code == 422
    assert "password" in refused.json()["error"]["detail"]["fields"]
    told = {**address, "email": {**options, "password": "battery staple"}}
    answer = await admin.patch(path, json=told)
    assert answer.status_code == 200, answer.text
    (noted,) = await audited(county, "integration.change")
    assert noted["detail"]["changed"]["password"] == "changed"
    assert "battery" not in str(noted)


async def test_recipients_change_without_the_password(admin: httpx.AsyncClient) -> None:
    made = (await admin.post(CHANNELS, json=MAIL)).json()
    options = {**made["options"], "recipients": ["c@example.com"]}
    answer = await admin.patch(f"{CHANNELS}/{made['id']}", json={"email": options})
    assert answer.json()["options"]["recipients"] == ["c@example.com"]


@pytest.mark.parametrize(
    ("form", "wrong"),
    [
        (MAIL, {"email": None}),
        (MAIL, {"address": "https://mail.example.com"}),
        (MAIL, {"address": "smtps://mail.example.com/inbox"}),
        (MAIL, {"address": "smtps://10.0.0.1"}),
        (MAIL, {"email": {"sender": "a@b.c\nBcc: d@e.f", "recipients": ["a@b.c"]}}),
        (MAIL, {"email": {"sender": "a@b.c", "recipients": []}}),
        (MAIL, {"email": {"sender": "a@b.c", "recipients": ["村@b.c"]}}),
        (MAIL, {"mqtt": MQTT["mqtt"]}),
        (MQTT, {"mqtt": None}),
        (MQTT, {"address": "mqtt://broker.example.com"}),
        (MQTT, {"mqtt": {"topic": "county/#"}}),
        (MQTT, {"mqtt": {"topic": "a", "username": "u", "password": "密" * 70}}),
        (MQTT, {"kind": "pigeon"}),
        (FORM, {"email": MAIL["email"]}),
    ],
)
async def test_an_account_that_no_server_takes_is_refused(
    admin: httpx.AsyncClient, form: dict[str, Any], wrong: dict[str, Any]
) -> None:
    answer = await admin.post(CHANNELS, json={**form, **wrong})
    assert answer.status_code == 422
    assert "correct horse" not in answer.text
    assert (await admin.get(CHANNELS)).json()["items"] == []
