"""From the demo's real footage to a hit: searched by words, by a look, and by a photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.identifiers import US_PER_S, now_us
from tests.peers.running_gateway import Gateway, running_gateway

ON = {"SEARCH__ENABLED": "true", "SEARCH__STORE_EVERY_S": "1"}


async def search(gateway: Gateway, **body: Any) -> list[dict[str, Any]]:
    asked = {"start_us": now_us() - 600 * US_PER_S, "end_us": now_us() + US_PER_S, **body}
    asked["purpose"] = {"code": "lost_person"}
    async with gateway.client.post(f"{gateway.url}/api/search", json=asked) as response:
        text = await response.text()
        assert response.status == 200, text
    told = [json.loads(line) for line in text.splitlines()]
    assert told[-1]["type"] == "end", told[-1]
    assert told[-2]["type"] == "coverage"
    return [one["hit"] for one in told if one["type"] == "hit"]


async def post(gateway: Gateway, path: str, status: int = 201, **body: Any) -> dict[str, Any]:
    async with gateway.client.post(f"{gateway.url}{path}", json=body) as response:
        assert response.status == status, await response.text()
        document: dict[str, Any] = await response.json()
        return document


async def near_ones(gateway: Gateway) -> list[dict[str, Any]]:
    """The persons found whose crops are large enough to search by, as photos."""
    found = await search(gateway, classes=["person"])
    return [one for one in found if one["box"][3] - one["box"][1] > 0.15]


@pytest.mark.timeout(300)
async def test_a_walker_is_found_by_words_by_a_look_and_by_a_photo(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, **ON) as gateway:

        async def found() -> bool:
            return len(await near_ones(gateway)) >= 2

        await gateway.until(found, 150)
        person = (await near_ones(gateway))[0]
        async with gateway.client.get(f"{gateway.url}{person['crop_url']}") as response:
            assert response.status == 200
            crop = await response.read()
        assert crop.startswith(b"\xff\xd8")
        alike = await search(gateway, like={"passage_id": person["id"]})
        assert alike and alike[0]["id"] != person["id"]
        assert alike[0]["likeness"] >= alike[-1]["likeness"]

        box = person["box"]
        purpose = {"code": "lost_person"}
        look = await post(
            gateway, "/api/search/looks",
            camera_id=person["camera_id"], at_us=person["best_us"], box=box, purpose=purpose,
        )  # fmt: skip
        (chosen,) = look["objects"]
        assert chosen["class"] == "person"
        by_look = await search(gateway, like={"look_id": look["look_id"]})
        # The picture is its own: nothing is more like it.
        assert person["id"] in [one["id"] for one in by_look[:3]]
        picture = f"{gateway.url}/api/search/looks/{look['look_id']}/picture"
        async with gateway.client.get(picture) as response:
            assert (await response.read()).startswith(b"\xff\xd8")

        area = (await gateway.get("/api/areas"))["items"][0]["id"]
        case = await post(gateway, "/api/cases", number="1", title="走失", area_id=area)
        asked = await post(
            gateway, "/api/search/requests",
            kind="photo", case_id=case["id"], reason="老人走失",
            expires_us=now_us() + 3600 * US_PER_S,
        )  # fmt: skip
        path = f"/api/search/requests/{asked['id']}/break-glass"
        assert (await post(gateway, path, 200, reason="人命关天"))["usable"]
        url = f"{gateway.url}/api/search/photos?request_id={asked['id']}&name=a.jpg"
        headers = {"X-Gridsight": "1"}
        async with gateway.client.post(url, data=b"no photo at all", headers=headers) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (
                422, "photo_refused",
            )  # fmt: skip
        async with gateway.client.post(url, data=crop, headers=headers) as response:
            assert response.status == 201, await response.text()
            photo = await response.json()
        if photo["objects"]:
            assert await search(gateway, like={"photo_id": photo["id"]})
        ended = await post(gateway, f"/api/search/requests/{asked['id']}/end", 200)
        assert (ended["usable"], ended["photos"]) == (False, 0)
