"""Devices and platforms by the API: what may be said of them, their channels, what is on record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.tables import audit_log, cameras, platform_states, platforms
from gateway.identifiers import now_us
from gateway.secrets import unseal
from tests.gateway.api.conftest import County, county  # noqa: F401

GB28181 = {"kind": "gb28181", "name": "交警平台", "code": "42088100002000000001"}
ONVIF = {"kind": "onvif", "name": "村部录像机", "host": "10.1.2.3"}


@pytest.fixture
async def client(county: County) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811
    await county.user("wang", "area_admin", county.town)
    async with await county.sign_in("wang") as client:
        yield client


async def created(client: httpx.AsyncClient, form: dict[str, Any], area_id: str) -> dict[str, Any]:
    response = await client.post("/api/platforms", json={**form, "area_id": area_id})
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


async def give_channels(county: County, platform_id: str, *channels: dict[str, Any]) -> None:  # noqa: F811
    rows = [{"kind": "camera", "status": "on", "facts": {}, **one} for one in channels]
    await county.write("platforms.channels", platform_id=platform_id, channels=rows, at_us=now_us())


async def rows_of(county: County, statement: sa.Select[Any]) -> list[Any]:  # noqa: F811
    async with county.services.reader.connect() as connection:
        return list((await connection.execute(statement)).mappings())


async def test_a_new_one_has_every_option_by_default_and_keeps_its_password_sealed(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, {**GB28181, "password": "geheim 8"}, county.village)
    assert made["direction"] == "below" and made["has_password"] and "password" not in made
    assert made["options"]["media_transport"] == "tcp_passive"
    assert made["state"]["state"] == "connecting"
    assert made["channels"] == {"total": 0, "on": 0, "gone": 0, "taken": 0}
    (row,) = await rows_of(county, sa.select(platforms))
    assert "geheim" not in row["password_sealed"]
    assert unseal(county.services.secret, row["password_sealed"], made["id"]) == "geheim 8"


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"kind": "gb28181", "name": "x"}, "code"),
        ({"kind": "gb28181", "name": "x", "code": "4208810000200000000A"}, "code"),
        ({"kind": "onvif", "name": "x"}, "host"),
        ({"kind": "onvif", "name": "x", "host": "http://10.1.2.3/"}, "host"),
        ({**GB28181, "direction": "above"}, "host"),
        ({**ONVIF, "direction": "above"}, "onvif has nothing above us"),
        ({**GB28181, "options": {"media_transport": "pigeon"}}, "media_transport"),
        ({**GB28181, "options": {"unheard_of": 1}}, "unheard_of"),
        ({**ONVIF, "port": 0}, "port"),
    ],
)
async def test_what_does_not_fit_together_is_refused_with_the_field(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
    form: dict[str, Any],
    field: str,
) -> None:
    response = await client.post("/api/platforms", json={**form, "area_id": county.village})
    assert response.status_code == 422
    assert field in str(response.json()["error"]["detail"]["fields"])


async def test_two_of_one_kind_cannot_have_one_code(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, GB28181, county.village)
    again = {**GB28181, "name": "另一个", "area_id": county.village}
    response = await client.post("/api/platforms", json=again)
    assert response.status_code == 409 and GB28181["code"] in response.text
    assert (await client.delete(f"/api/platforms/{made['id']}")).status_code == 204
    assert (await client.post("/api/platforms", json=again)).status_code == 201


async def test_what_gives_footage_away_is_the_system_administrators_business(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    above = {**GB28181, "direction": "above", "host": "10.9.9.9", "port": 5060}
    form = {**above, "area_id": county.village}
    assert (await client.post("/api/platforms", json=form)).status_code == 403
    await county.user("admin", "system_admin", "*")
    async with await county.sign_in("admin") as admin:
        made = (await admin.post("/api/platforms", json=form)).json()
        assert not made["options"]["may_steer"] and not made["options"]["may_lift_masks"]
    listed = (await client.get("/api/platforms")).json()
    assert listed["items"] == [] and listed["total"] == 0
    assert (await client.get(f"/api/platforms/{made['id']}")).status_code == 403


async def test_options_given_are_put_over_those_there_are(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, {**GB28181, "options": {"accept_any_ssrc": True}}, county.village)
    changed = await client.patch(
        f"/api/platforms/{made['id']}", json={"options": {"media_transport": "udp"}}
    )
    assert changed.json()["options"] == {**made["options"], "media_transport": "udp"}


async def test_a_password_is_not_sent_to_another_address(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, {**ONVIF, "username": "admin", "password": "p"}, county.village)
    path = f"/api/platforms/{made['id']}"
    refused = await client.patch(path, json={"host": "10.1.2.4"})
    assert refused.status_code == 422 and "password" in refused.json()["error"]["detail"]["fields"]
    moved = await client.patch(path, json={"host": "10.1.2.4", "password": "q"})
    assert moved.json()["host"] == "10.1.2.4"


async def test_channels_are_a_tree_and_become_cameras_under_their_own_names(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, GB28181, county.village)
    await give_channels(
        county,
        made["id"],
        {"code": "420881", "kind": "area", "name": "钟祥"},
        {"code": "1", "name": "路口一", "parent_code": "420881"},
        {"code": "2", "name": "路口二", "parent_code": "420881", "status": "off"},
    )
    path = f"/api/platforms/{made['id']}"
    top = (await client.get(f"{path}/channels", params={"parent": ""})).json()
    assert [(one["code"], one["children"]) for one in top["items"]] == [("420881", 2)]
    taken = await client.post(
        f"{path}/cameras",
        json={
            "area_id": county.village,
            "record": "off",
            "channels": [{"code": "1"}, {"code": "2", "name": "学校路口", "number": "X-2"}],
        },
    )
    assert taken.status_code == 201, taken.text
    names = [camera["name"] for camera in taken.json()["cameras"]]
    assert names == ["路口一", "学校路口"]
    assert taken.json()["cameras"][0]["main_url"] == f"gb28181://{made['id']}/1"
    counts = (await client.get(path)).json()["channels"]
    assert counts == {"total": 2, "on": 1, "gone": 0, "taken": 2}
    again = await client.post(
        f"{path}/cameras", json={"area_id": county.village, "channels": [{"code": "1"}]}
    )
    assert again.status_code == 409
    group = await client.post(
        f"{path}/cameras", json={"area_id": county.village, "channels": [{"code": "420881"}]}
    )
    assert group.status_code == 422


async def test_a_catalogue_changes_nothing_that_people_named(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, GB28181, county.village)
    stood = {"longitude": 112.5881, "latitude": 31.1678}
    await give_channels(county, made["id"], {"code": "1", "name": "CH01", **stood})
    chosen = {"area_id": county.village, "channels": [{"code": "1", "name": "村口北"}]}
    taken = (await client.post(f"/api/platforms/{made['id']}/cameras", json=chosen)).json()
    camera_id = taken["cameras"][0]["id"]
    await client.patch(f"/api/cameras/{camera_id}", json={"area_id": county.town})
    await give_channels(
        county, made["id"], {"code": "1", "name": "Camera 01", "longitude": 0.0, "latitude": 0.0}
    )
    camera = (await client.get(f"/api/cameras/{camera_id}")).json()
    assert (camera["name"], camera["area_id"]) == ("村口北", county.town)
    assert (camera["longitude"], camera["latitude"]) == (112.5881, 31.1678)
    page = (await client.get(f"/api/platforms/{made['id']}/channels")).json()
    assert [(one["name"], one["camera_id"]) for one in page["items"]] == [("Camera 01", camera_id)]


async def test_a_channel_that_is_gone_keeps_its_camera_and_may_come_back(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, GB28181, county.village)
    await give_channels(
        county, made["id"], {"code": "1", "name": "一"}, {"code": "2", "name": "二"}
    )
    chosen = {"area_id": county.village, "channels": [{"code": "1"}]}
    await client.post(f"/api/platforms/{made['id']}/cameras", json=chosen)
    await give_channels(county, made["id"], {"code": "2", "name": "二"})
    path = f"/api/platforms/{made['id']}/channels"
    assert [one["code"] for one in (await client.get(path)).json()["items"]] == ["2"]
    with_gone = (await client.get(path, params={"gone": True})).json()["items"]
    gone = next(one for one in with_gone if one["code"] == "1")
    assert gone["gone_us"] and gone["camera_id"]
    await give_channels(
        county, made["id"], {"code": "1", "name": "一"}, {"code": "2", "name": "二"}
    )
    assert (await client.get(path)).json()["total"] == 2


async def test_channels_come_in_pages(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, GB28181, county.village)
    channels = [{"code": str(number), "name": f"路口{number % 3}"} for number in range(7)]
    await give_channels(county, made["id"], {"code": "g", "kind": "group", "name": "组"}, *channels)
    path, seen, cursor = f"/api/platforms/{made['id']}/channels", [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(path, params=query)).json()
        seen += [one["code"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen[0] == "g" and sorted(seen[1:]) == [str(number) for number in range(7)]


async def test_an_onvif_camera_is_pulled_by_its_devices_account_whenever_that_changes(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    form = {**ONVIF, "username": "admin", "password": "alt"}
    made = await created(client, form, county.village)
    facts = {"main_url": "rtsp://10.1.2.3/1", "sub_url": "rtsp://10.1.2.3/2"}
    await give_channels(county, made["id"], {"code": "src0", "name": "通道1", "facts": facts})
    chosen = {"area_id": county.village, "channels": [{"code": "src0"}]}
    taken = (await client.post(f"/api/platforms/{made['id']}/cameras", json=chosen)).json()
    camera = taken["cameras"][0]
    assert (camera["main_url"], camera["username"]) == ("rtsp://10.1.2.3/1", "admin")

    async def password() -> str:
        (row,) = await rows_of(county, sa.select(cameras).where(cameras.c.id == camera["id"]))
        return unseal(county.services.secret, row["password_sealed"], camera["id"])

    assert await password() == "alt"
    await client.patch(f"/api/platforms/{made['id']}", json={"password": "neu"})
    assert await password() == "neu"


@pytest.mark.parametrize("with_cameras", [False, True])
async def test_deleting_one_leaves_no_orphan(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
    with_cameras: bool,
) -> None:
    made = await created(client, GB28181, county.village)
    await give_channels(county, made["id"], {"code": "1", "name": "一"})
    chosen = {"area_id": county.village, "channels": [{"code": "1"}]}
    taken = (await client.post(f"/api/platforms/{made['id']}/cameras", json=chosen)).json()
    camera = f"/api/cameras/{taken['cameras'][0]['id']}"
    gone = await client.delete(f"/api/platforms/{made['id']}?with_cameras={with_cameras}")
    assert gone.status_code == 204
    assert (await client.get(camera)).status_code == (404 if with_cameras else 200)
    assert (await client.get(f"/api/platforms/{made['id']}")).status_code == 404
    assert await rows_of(county, sa.select(platform_states)) == []


async def test_every_change_is_on_record_without_the_password(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    made = await created(client, {**ONVIF, "password": "geheim 8"}, county.village)
    await client.patch(f"/api/platforms/{made['id']}", json={"password": "geheim 9"})
    await client.delete(f"/api/platforms/{made['id']}")
    records = await rows_of(
        county,
        sa.select(audit_log.c.action, audit_log.c.detail)
        .where(audit_log.c.action.startswith("platform."))
        .order_by(audit_log.c.sequence),
    )
    assert [row["action"] for row in records] == [
        "platform.create",
        "platform.change",
        "platform.delete",
    ]
    assert "geheim" not in str(records) and '"fields": ["password"]' in records[1]["detail"]


async def test_a_channel_is_no_camera_of_who_does_not_configure_its_platform(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    """Codes are counted through, and no password is asked: the platform's area decides."""
    await county.user("admin", "system_admin")
    async with await county.sign_in("admin") as admin:
        foreign = await created(admin, GB28181, county.other_town)
    own = await created(client, {**GB28181, "code": "42088100002000000002"}, county.village)
    await give_channels(county, foreign["id"], {"code": "1", "name": "别镇"})
    await give_channels(county, own["id"], {"code": "1", "name": "一"}, {"code": "2", "name": "二"})
    form = {"name": "x", "area_id": county.village}
    url = f"gb28181://{foreign['id']}/1"
    replies = [
        await client.post("/api/cameras", json={**form, "main_url": url}),
        await client.post("/api/cameras", json={**form, "main_url": "gb28181://plf_none/1"}),
        await client.patch(f"/api/cameras/{county.camera}", json={"sub_url": url}),
        await client.post(f"/api/cameras/{county.camera}/replace", json={"main_url": url}),
    ]
    assert [one.status_code for one in replies] == [422] * 4
    # Whether there is such a platform is not told.
    assert replies[0].json() == replies[1].json() and "别镇" not in replies[0].text
    taken = await client.post(
        f"/api/platforms/{own['id']}/cameras",
        json={"area_id": county.village, "channels": [{"code": "1"}]},
    )
    (camera,) = taken.json()["cameras"]
    again = await client.post("/api/cameras", json={**form, "main_url": camera["main_url"]})
    assert again.status_code == 422
    same = {"main_url": camera["main_url"], "name": "村口"}
    assert (await client.patch(f"/api/cameras/{camera['id']}", json=same)).status_code == 200
    by_hand = {**form, "main_url": f"gb28181://{own['id']}/2"}
    assert (await client.post("/api/cameras", json=by_hand)).status_code == 201


async def test_a_code_that_is_taken_does_not_tell_whose_it_is(
    county: County,  # noqa: F811
    client: httpx.AsyncClient,
) -> None:
    await county.user("admin", "system_admin")
    async with await county.sign_in("admin") as admin:
        await created(admin, {**GB28181, "name": "别镇平台"}, county.other_town)
    doubled = {**GB28181, "name": "x", "area_id": county.village}
    refused = await client.post("/api/platforms", json=doubled)
    assert refused.status_code == 409 and "别镇" not in refused.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "::1", "0.0.0.0"])
async def test_who_configures_a_village_has_the_gateway_reach_nothing_of_its_own(
    client: httpx.AsyncClient, host: str
) -> None:
    """Else its own processes, or what only this machine reaches, would answer."""
    for path, body in (
        ("probe", {"kind": "onvif", "host": host}),
        (
            "probe-many",
            {"kind": "onvif", "targets": [{"host": host}], "username": "", "password": ""},
        ),
        ("discovery", {"ranges": [host]}),
        ("discovery", {"ranges": ["0.0.0.0/0"]}),
    ):
        response = await client.post(f"/api/platforms/{path}", json=body)
        assert response.status_code == 403, path
