"""What holds for every request: other sites' requests, encryption, what pages may do."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from gateway.api.application import create_app
from gateway.settings import Settings
from tests.gateway.api.conftest import County


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_another_site_makes_in_our_name_is_refused(county: County, site: str) -> None:
    await county.user("li", "system_admin")
    client = await county.sign_in("li")
    body = {"name": "evil", "parent_id": None}
    refused = await client.post("/api/areas", json=body, headers={"Sec-Fetch-Site": site})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    for own in ("same-origin", "none"):
        answer = await client.post("/api/areas", json=body, headers={"Sec-Fetch-Site": own})
        assert answer.status_code == 201, own
    # Looking is not changing; and nobody else's page can read the answer.
    looked = await client.get("/api/areas", headers={"Sec-Fetch-Site": site})
    assert looked.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in looked.headers


async def test_pages_may_use_camera_and_microphone_and_nothing_foreign(county: County) -> None:
    answer = await (await county.sign_in(None)).get("/")
    assert "camera=(self), microphone=(self)" in answer.headers["permissions-policy"]
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self' ws://gridsight.test;" in policy


@pytest.mark.parametrize(
    ("scheme", "certificates", "strict"),
    [
        ("https", "files", True),
        ("https", "local", False),
        ("https", "off", False),
        ("http", "files", False),
    ],
)
async def test_strict_transport_only_with_given_certificates(
    county: County, scheme: str, certificates: str, strict: bool
) -> None:
    tls = {"certificates": certificates, "certificate": "/a", "key": "/b"}
    settings = Settings(data_directory=county.services.settings.data_directory, tls=tls)
    app = create_app(replace(county.services, settings=settings))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=f"{scheme}://gridsight.test"
    ) as client:
        answer = await client.get("/trusted")
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert ("strict-transport-security" in answer.headers) is strict
    assert f"{'wss' if scheme == 'https' else 'ws'}://" in answer.headers["content-security-policy"]
