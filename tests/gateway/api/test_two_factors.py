"""Authenticators: enrolled, asked for, never taken twice; recovery codes; who must have one."""

from __future__ import annotations

import httpx
import pyotp
import pytest

from gateway.identifiers import now_us
from gateway.people import totp
from gateway.settings import SignInSettings
from tests.gateway.api.accounts import audited, configure, stranger
from tests.gateway.api.conftest import PASSWORD, County


class Telephone:
    """An authenticator, whose owner may wait for the next code."""

    def __init__(self, secret: str) -> None:
        self._totp = pyotp.TOTP(secret)
        self.step = now_us() // 1_000_000 // totp.STEP_S

    def code(self) -> str:
        return self._totp.generate_otp(self.step)

    def wait(self, monkeypatch: pytest.MonkeyPatch, steps: int = 1) -> str:
        """Half a minute passes, and then the clock stands; gives the code shown then."""
        self.step += steps
        at_us = self.step * totp.STEP_S * 1_000_000
        for module in ("gateway.people.sign_in", "gateway.api.account"):
            monkeypatch.setattr(f"{module}.now_us", lambda: at_us)
        return self.code()


async def enrolled(county: County, client: httpx.AsyncClient) -> tuple[Telephone, list[str]]:
    begun = (await client.post("/api/account/totp", json={"password": PASSWORD})).json()
    telephone = Telephone(begun["secret"])
    answer = await client.post("/api/account/totp/confirm", json={"code": telephone.code()})
    assert answer.status_code == 200, answer.text
    return telephone, answer.json()["recovery_codes"]


async def sign_in(county: County, **form: str) -> httpx.Response:
    async with stranger(county) as client:
        return await client.post(
            "/api/session", json={"name": "wang", "password": PASSWORD, **form}
        )


async def test_from_enrolment_on_a_sign_in_asks_for_a_code_and_takes_each_once(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    await county.user("wang", "operator", county.town)
    client, other = await county.sign_in("wang"), await county.sign_in("wang")
    telephone, codes = await enrolled(county, client)
    assert len(codes) == 10
    # This sign-in goes on and counts as made with a code; the others have ended.
    assert (await client.get("/api/session")).json()["method"] == "totp"
    assert (await other.get("/api/session")).status_code == 401
    answer = await sign_in(county)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "code_required"
    # The code of the enrolment has been used.
    answer = await sign_in(county, code=telephone.code())
    assert answer.json()["error"]["code"] == "code_used"
    code = telephone.wait(monkeypatch)
    answer = await sign_in(county, code=code)
    assert answer.status_code == 200, answer.text
    assert answer.json()["method"] == "totp"
    replayed = await sign_in(county, code=code)
    assert replayed.status_code == 401
    assert replayed.json()["error"]["code"] == "code_used"
    assert {"why": "code_used"} in [one["detail"] for one in await audited(county)]
    for one in (client, other):
        await one.aclose()


async def test_an_older_code_is_replayed_too(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    telephone, _ = await enrolled(county, client)
    seen = telephone.wait(monkeypatch)
    newest = telephone.wait(monkeypatch)
    assert (await sign_in(county, code=newest)).status_code == 200
    # Still within what a slow telephone may be off, but somebody read it over a shoulder.
    assert (await sign_in(county, code=seen)).json()["error"]["code"] == "code_used"
    await client.aclose()


async def test_guessing_codes_is_stopped_for_who_knows_the_password(county: County) -> None:
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    await enrolled(county, client)
    configure(county, sign_in=SignInSettings(attempts=3))
    codes = [(await sign_in(county, code="000000")).json()["error"]["code"] for _ in range(4)]
    assert codes == ["wrong_code"] * 3 + ["too_many_attempts"]
    await client.aclose()


async def test_a_recovery_code_is_good_once_and_the_admin_helps_after_that(
    county: County,
) -> None:
    wang = await county.user("wang", "operator", county.town)
    await county.user("admin", "system_admin")
    client, admin = await county.sign_in("wang"), await county.sign_in("admin")
    _, codes = await enrolled(county, client)
    answer = await sign_in(county, code=codes[3].upper())
    assert answer.json()["method"] == "recovery_code"
    assert (await sign_in(county, code=codes[3])).json()["error"]["code"] == "code_used"
    assert (await sign_in(county, code="aaaaa-aaaaa")).json()["error"]["code"] == "wrong_code"
    account = (await client.get("/api/account")).json()
    assert account["totp"]["recovery_codes_left"] == 9
    assert (await admin.get(f"/api/users/{wang}/security")).json()["totp"]["enrolled"] is True
    assert (await admin.post(f"/api/users/{wang}/totp/reset")).status_code == 204
    assert (await client.get("/api/session")).status_code == 401
    assert (await sign_in(county)).status_code == 200
    assert "user.totp_reset" in [one["action"] for one in await audited(county)]
    for one in (client, admin):
        await one.aclose()


async def test_it_is_removed_with_the_password_and_a_code(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    telephone, codes = await enrolled(county, client)
    again = await client.post("/api/account/totp", json={"password": PASSWORD})
    assert again.json()["error"]["code"] == "totp_enrolled"
    for form in (
        {"password": "wrong", "code": codes[0]},
        {"password": PASSWORD, "code": "000000"},
        {"password": PASSWORD, "code": telephone.code()},
    ):
        answer = await client.post("/api/account/totp/remove", json=form)
        assert answer.status_code == 422, answer.text
    refused = [one["detail"]["why"] for one in await audited(county, "session.refused")]
    assert refused == ["wrong_password", "wrong_code", "code_used"]
    fresh = await client.post(
        "/api/account/recovery-codes",
        json={"password": PASSWORD, "code": telephone.wait(monkeypatch)},
    )
    assert len(fresh.json()["recovery_codes"]) == 10
    form = {"password": PASSWORD, "code": fresh.json()["recovery_codes"][0]}
    assert (await client.post("/api/account/totp/remove", json=form)).status_code == 204
    assert (await sign_in(county)).status_code == 200
    await client.aclose()


async def test_who_must_have_one_can_do_nothing_else_first(county: County) -> None:
    await county.user("wang", "area_admin", county.town)
    await county.user("li", "viewer", county.town)
    configure(county, sign_in=SignInSettings(totp_roles=["area_admin"]))
    client, viewer = await county.sign_in("wang"), await county.sign_in("li")
    assert (await client.get("/api/session")).json()["must_enrol_totp"] is True
    refused = await client.get("/api/cameras")
    assert refused.json()["error"]["code"] == "totp_enrolment_required"
    assert (await viewer.get("/api/cameras")).status_code == 200
    await enrolled(county, client)
    assert (await client.get("/api/cameras")).status_code == 200
    for one in (client, viewer):
        await one.aclose()


@pytest.mark.sqlite
async def test_a_secret_is_read_from_the_database_by_nobody(county: County) -> None:
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    begun = (await client.post("/api/account/totp", json={"password": PASSWORD})).json()
    answer = await client.post(
        "/api/account/totp/confirm", json={"code": Telephone(begun["secret"]).code()}
    )
    kept = "".join(
        path.read_bytes().decode("latin-1")
        for path in county.services.settings.data_directory.glob("gridsight.db*")
    )
    assert begun["secret"] not in kept
    for code in answer.json()["recovery_codes"]:
        assert code.replace("-", "") not in kept
        assert code not in kept
    await client.aclose()
