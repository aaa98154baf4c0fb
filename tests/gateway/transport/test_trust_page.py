"""Plain HTTP: the way to trust, the way to HTTPS, and nothing else."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from cryptography import x509

from gateway.transport.local_authority import LocalAuthority, fingerprint
from gateway.transport.trust_page import AUTHORITY_FILE, trust_app

NAMES = ["video.county", "198.18.0.1", "::1"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority(tmp_path_factory.mktemp("tls"), "host")


def client(authority: LocalAuthority | None, port: int = 8443) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(trust_app(authority, NAMES, port))
    return httpx.AsyncClient(transport=transport, base_url="http://video.county:8081")


async def test_the_page_gives_the_certificate_and_its_fingerprint(
    authority: LocalAuthority, tmp_path: Path
) -> None:
    async with client(authority) as asking:
        page = await asking.get("/")
        assert fingerprint(authority.certificate) in page.text
        assert 'data-origin="https://video.county:8443"' in page.text
        given = await asking.get(AUTHORITY_FILE)
        assert x509.load_der_x509_certificate(given.content) == authority.certificate
        assert given.headers["content-type"] == "application/x-x509-ca-cert"


async def test_what_runs_in_the_page_is_only_what_stands_in_it(authority: LocalAuthority) -> None:
    async with client(authority) as asking:
        policy = (await asking.get("/trust")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("'sha256-") == 2
    assert "connect-src https://video.county:8443;" in policy


@pytest.mark.parametrize(
    ("path", "port", "location"),
    [
        ("/wall?screen=1", 8443, "https://video.county:8443/wall?screen=1"),
        ("/wall", 443, "https://video.county/wall"),
        ("//evil.example/x", 8443, "https://video.county:8443/evil.example/x"),
        ("/a%20b/%2e%2e", 8443, "https://video.county:8443/a%20b/%2e%2e"),
    ],
)
async def test_everything_else_leads_to_https(
    authority: LocalAuthority, path: str, port: int, location: str
) -> None:
    async with client(authority, port) as asking:
        answer = await asking.get(f"http://video.county:8081{path}")
    assert (answer.status_code, answer.headers["location"]) == (307, location)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_nothing_that_changes_anything_is_carried_over(
    authority: LocalAuthority, method: str
) -> None:
    async with client(authority) as asking:
        answer = await asking.request(method, "/api/session", json={"password": "secret"})
    assert answer.status_code == 403
    assert "location" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "video.county@evil.example", "a b", "", "x/y"])
async def test_nobody_is_led_elsewhere(authority: LocalAuthority, host: str) -> None:
    async with client(authority) as asking:
        answer = await asking.get("/wall", headers={"Host": host})
    assert answer.status_code == 421
    assert "location" not in answer.headers


async def test_addresses_are_names_too(authority: LocalAuthority) -> None:
    async with client(authority) as asking:
        for host in ("198.18.0.1:8081", "[::1]:8081", "VIDEO.county"):
            answer = await asking.get("/wall", headers={"Host": host})
            assert answer.status_code == 307, host


async def test_with_given_certificates_there_is_nothing_to_trust() -> None:
    async with client(None) as asking:
        for path in ("/", "/trust", AUTHORITY_FILE):
            answer = await asking.get(path)
            assert answer.status_code == 307, path
