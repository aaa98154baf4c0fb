"""Digest, the server's half (RFC 7616): what is taken, what is refused, and how often."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.http_digest import DigestServer

NOW_S = 1_790_000_000.0
PASSWORDS = {"34020000001190000001": "right"}


def server(**options: float) -> DigestServer:
    return DigestServer("gridsight", b"k" * 32, **options)  # type: ignore[arg-type]


def client(at: DigestServer, password: str = "right", now_s: float = NOW_S) -> Credentials:
    made = Credentials("34020000001190000001", password, allow_basic=False)
    assert made.accept(parse_challenges(at.challenges(now_s)))
    return made


def test_who_knows_the_password_is_accepted_and_may_count_on() -> None:
    digest = server()
    device = client(digest)
    for _ in range(3):
        header = device.authorization("POST", "/VIID/System/Register")
        found = digest.verify(header, "POST", "/VIID/System/Register", PASSWORDS.get, NOW_S)
        assert found.accepted
        assert found.username == "34020000001190000001"


def test_what_was_overheard_opens_nothing() -> None:
    digest = server()
    header = client(digest).authorization("POST", "/VIID/System/Register")
    assert digest.verify(header, "POST", "/VIID/System/Register", PASSWORDS.get, NOW_S).accepted
    for uri, method, verdict in (
        ("/VIID/System/Register", "POST", "replayed"),
        ("/VIID/MotorVehicles", "POST", "malformed"),
        ("/VIID/System/Register", "DELETE", "wrong"),
    ):
        assert digest.verify(header, method, uri, PASSWORDS.get, NOW_S).verdict == verdict


def test_a_nonce_grows_old_and_another_server_s_is_worth_nothing() -> None:
    digest = server(lifetime_s=60)
    header = client(digest).authorization("POST", "/x")
    assert digest.verify(header, "POST", "/x", PASSWORDS.get, NOW_S + 61).verdict == "stale"
    assert "stale=true" in digest.challenges(NOW_S, stale=True)[0]
    foreign = DigestServer("gridsight", b"o" * 32)
    header = client(foreign).authorization("POST", "/x")
    assert digest.verify(header, "POST", "/x", PASSWORDS.get, NOW_S).verdict == "stale"


def test_a_restart_forgets_nobody() -> None:
    header = client(server()).authorization("POST", "/x")
    assert server().verify(header, "POST", "/x", PASSWORDS.get, NOW_S).accepted


def test_wrong_passwords_and_unknown_names_look_alike() -> None:
    digest = server()
    wrong = client(digest, "wrong").authorization("POST", "/x")
    assert digest.verify(wrong, "POST", "/x", PASSWORDS.get, NOW_S).verdict == "wrong"
    assert digest.verify(wrong, "POST", "/x", lambda _: None, NOW_S).verdict == "wrong"
    assert digest.verify(None, "POST", "/x", PASSWORDS.get, NOW_S).verdict == "missing"


def test_memory_is_bounded_and_what_was_forgotten_cannot_be_replayed() -> None:
    digest = server(remembered=10)
    headers = []
    for number in range(50):
        at_s = NOW_S + number / 1000
        header = client(digest, now_s=at_s).authorization("POST", "/x")
        assert digest.verify(header, "POST", "/x", PASSWORDS.get, at_s).accepted
        headers.append(header)
    verdicts = {
        digest.verify(one, "POST", "/x", PASSWORDS.get, NOW_S + 1).verdict for one in headers
    }
    assert verdicts == {"replayed", "stale"}


@given(st.text(max_size=200))
def test_no_header_breaks_it(text: str) -> None:
    digest = server()
    assert not digest.verify(text, "POST", "/x", PASSWORDS.get, NOW_S).accepted
    assert not digest.verify("Digest " + text, "POST", "/x", PASSWORDS.get, NOW_S).accepted
