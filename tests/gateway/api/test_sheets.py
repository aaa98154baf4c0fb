"""Files in and out over the API: checked by a process of its own, written whole or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.gateway.api.conftest import County

VILLAGES = "编码,名称,上级\n420881100202,荆台村,钟祥县/石牌镇\n420881100203,皮集村,钟祥县/石牌镇\n"


async def finished(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    """The import when it is neither being checked nor written."""
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    while document["state"] in ("checking", "applying"):
        await asyncio.sleep(0.05)
        document = (await client.get(f"/api/imports/{document['id']}")).json()
    return document


async def send(client: httpx.AsyncClient, kind: str, content: str | bytes) -> dict[str, Any]:
    data = content.encode() if isinstance(content, str) else content
    answer = await client.post(f"/api/sheets/{kind}/imports?name=a.csv", content=data)
    return await finished(client, answer)


async def apply(client: httpx.AsyncClient, document: dict[str, Any]) -> dict[str, Any]:
    return await finished(client, await client.post(f"/api/imports/{document['id']}/apply"))


async def actions(client: httpx.AsyncClient) -> list[str]:
    return [one["action"] for one in (await client.get("/api/audit")).json()["items"]]


async def test_a_file_is_checked_then_applied_then_changes_nothing(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as client:
        checked = await send(client, "areas", VILLAGES.encode("gb18030"))
        assert (checked["state"], checked["create"], checked["faults"]) == ("checked", 2, [])
        found = await client.get("/api/areas/search?query=jtc")
        assert found.json()["items"] == []
        applied = await apply(client, checked)
        assert (applied["state"], applied["error"]) == ("applied", None)
        (village,) = (await client.get("/api/areas/search?query=jtc")).json()["items"]
        assert village["names"] == ["钟祥县", "石牌镇", "荆台村"]
        assert village["ids"] == [county.root, county.town, village["id"]]
        again = await send(client, "areas", VILLAGES)
        assert (again["create"], again["change"], again["unchanged"]) == (0, 0, 2)
        done = await actions(client)
        assert [one for one in done if one.startswith("area")] == [
            "area.create",
            "area.create",
            "area.import",
        ]
        exported = await client.get("/api/sheets/areas.xlsx")
        assert exported.headers["content-disposition"] == 'attachment; filename="areas.xlsx"'
        round_trip = await send(client, "areas", exported.content)
        assert (round_trip["faults"], round_trip["create"], round_trip["change"]) == ([], 0, 0)


async def test_a_file_with_faults_cannot_be_applied(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as client:
        checked = await send(client, "areas", VILLAGES + "1,x,钟祥县\n")
        assert checked["faults"] == [
            {
                "line": 4,
                "column": "编码",
                "field": "code",
                "code": "code_length",
                "reason": "an area's code has 12 digits, or a cell's 2 to 6 more; this has 1",
                "detail": {},
            }
        ]
        refused = await client.post(f"/api/imports/{checked['id']}/apply")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "import_has_faults")
        assert (await client.delete(f"/api/imports/{checked['id']}")).status_code == 204
        assert (await client.get(f"/api/imports/{checked['id']}")).status_code == 404
        failed = await send(client, "areas", b"\xd0\xcf\x11\xe0" + bytes(100))
        assert (failed["state"], failed["error"]["code"]) == ("failed", "old_excel")
        assert "area.import_refused" in await actions(client)


async def test_too_much_is_refused_before_it_is_read(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as client:

        async def body() -> Any:
            for _ in range(100):
                yield bytes(1024 * 1024)

        headers = {"Content-Length": str(100 * 1024 * 1024)}
        said = await client.post("/api/sheets/areas/imports", content=body(), headers=headers)
        assert (said.status_code, said.json()["error"]["code"]) == (413, "too_large")
        unsaid = await client.post("/api/sheets/areas/imports", content=body())
        assert (unsaid.status_code, unsaid.json()["error"]["code"]) == (413, "too_large")
        refused = [one for one in await actions(client) if one == "area.import_refused"]
        assert len(refused) == 2
        # A file's name is only shown, and nothing of where it was.
        for name in ("../../etc/passwd", "C:\\a\\b.csv", "a\u202eb\ncsv"):
            query = {"name": name}
            sent = await client.post("/api/sheets/areas/imports", params=query, content=b"x")
            assert sent.json()["name"] in ("passwd", "b.csv", "abcsv")


async def test_what_changed_since_the_check_is_seen_when_it_is_applied(county: County) -> None:
    await county.user("boss", "system_admin")
    async with await county.sign_in("boss") as client:
        checked = await send(client, "areas", VILLAGES)
        await county.write("areas.change", area_id=county.town, name="石牌古镇")
        applied = await apply(client, checked)
        assert (applied["state"], applied["error"]["code"]) == ("checked", "import_has_faults")
        assert [fault["code"] for fault in applied["faults"]] == ["unknown_parent"] * 2


async def test_imports_belong_to_who_made_them_and_end_with_their_rights(county: County) -> None:
    await county.user("boss", "system_admin")
    town_id = await county.user("town", "area_admin", county.town)
    async with await county.sign_in("boss") as boss, await county.sign_in("town") as client:
        checked = await send(client, "areas", VILLAGES)
        assert checked["create"] == 2
        assert (await boss.get(f"/api/imports/{checked['id']}")).status_code == 404
        await county.write("accounts.change", user_id=town_id, granted=[])
        refused = await client.post(f"/api/imports/{checked['id']}/apply")
        assert refused.status_code == 403


async def test_a_viewer_neither_exports_nor_imports(county: County) -> None:
    await county.user("viewer", "viewer")
    async with await county.sign_in("viewer") as client:
        assert (await client.get("/api/sheets/cameras.csv")).status_code == 403
        assert (await client.post("/api/sheets/cameras/imports", content=b"")).status_code == 403


async def test_a_township_exports_its_own_cameras_without_secrets(county: County) -> None:
    await county.user("town", "area_admin", county.town)
    async with await county.sign_in("town") as client:
        text = (await client.get("/api/sheets/cameras.csv")).content.decode("utf-8-sig")
        assert "村口" in text and "桥头" not in text and "密码" not in text
        elsewhere = await client.get(f"/api/sheets/cameras.csv?area_id={county.other_town}")
        assert elsewhere.status_code == 404
        template = await client.get("/api/sheets/users.csv?template=true")
        assert template.content.decode("utf-8-sig").startswith("账号,姓名,归属区域,权限,启用\r\n")


async def test_accounts_come_with_one_time_passwords(county: County) -> None:
    await county.user("boss", "system_admin")
    text = "账号,姓名,权限\nwangwei,王伟,值班员@#{town}\nliqiang,李强,观看员\n"
    async with await county.sign_in("boss") as client:
        checked = await send(client, "users", text.replace("{town}", county.town))
        assert checked["faults"] == []
        applied = await apply(client, checked)
        assert applied["has_passwords"]
        url = f"/api/imports/{applied['id']}/passwords.csv"
        lines = (await client.get(url)).content.decode("utf-8-sig").splitlines()
        name, display_name, password = lines[1].split(",")
        assert (name, display_name) == ("wangwei", "王伟")
        signed_in = await client.post("/api/session", json={"name": name, "password": password})
        assert signed_in.status_code == 200, signed_in.text
        assert signed_in.json()["must_change_password"]
        users = (await client.get("/api/users")).json()
        assert users["error"]["code"] == "password_change_required"
