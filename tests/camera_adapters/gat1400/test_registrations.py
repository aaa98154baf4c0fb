"""Who is registered: any order of requests keeps one address per code, and none without proof."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gat1400.client import ViewLibraryClient
from camera_adapters.gat1400.registrations import (
    LOCK_S,
    WRONG_LIMIT,
    Account,
    Registrations,
)
from camera_adapters.http_authentication import Credentials, parse_challenges
from camera_adapters.http_digest import DigestServer

NOW_S = 1_790_000_000.0
CODES = ("1" * 20, "2" * 20)
URI = "/VIID/System/Register"


def opened(silent_s: float = 100.0) -> tuple[Registrations, DigestServer]:
    digest = DigestServer("r", b"k" * 32)
    registrations = Registrations(digest, silent_s)
    registrations.hold({code: Account(f"p{code}", code, code, f"pw {code}") for code in CODES})
    return registrations, digest


def proof(digest: DigestServer, code: str, password: str, now_s: float, uri: str = URI) -> str:
    credentials = Credentials(code, password, allow_basic=False)
    assert credentials.accept(parse_challenges(digest.challenges(now_s)))
    header = credentials.authorization("POST", uri)
    assert header is not None
    return header


STEPS = st.tuples(
    st.sampled_from(["register", "wrong", "bare", "keepalive", "leave", "wait"]),
    st.sampled_from([*CODES, "3" * 20]),
    st.sampled_from(["10.0.0.1", "10.0.0.2"]),
)


@given(st.lists(STEPS, max_size=40))
def test_nobody_is_let_in_without_proof_and_none_pushes_another_out(
    steps: list[tuple[str, str, str]],
) -> None:
    registrations, digest = opened()
    now_s = NOW_S
    proven: dict[str, str] = {}  # code → address that proved itself and is alive
    heard: dict[str, float] = {}
    for step, code, address in steps:
        now_s += 1
        alive = code in proven and now_s - heard[code] < 100
        if step in ("register", "wrong", "bare"):
            password = f"pw {code}" if step == "register" else "?"
            header = None if step == "bare" else proof(digest, code, password, now_s)
            admission = registrations.register(code, address, header, URI, now_s)
            if admission.refusal is None:
                assert step == "register"
                assert code in CODES
                assert not alive or proven[code] == address
                proven[code], heard[code] = address, now_s
            elif step == "register" and code in CODES:
                assert admission.refusal in ("double", "locked")
        elif step == "keepalive":
            admission = registrations.admit(code, address, None, "POST", "/k", now_s)
            assert (admission.refusal is None) == (alive and proven[code] == address)
            if admission.refusal is None:
                heard[code] = now_s
        elif step == "leave" and alive and proven[code] == address:
            registrations.unregister(code)
            del proven[code]
        else:
            now_s += 60


def test_guessing_locks_the_guesser_and_nobody_else() -> None:
    registrations, digest = opened()
    for number in range(WRONG_LIMIT):
        header = proof(digest, CODES[0], f"guess {number}", NOW_S)
        assert (
            registrations.register(CODES[0], "10.0.0.9", header, URI, NOW_S).refusal
            == "wrong_password"
        )
    right = proof(digest, CODES[0], f"pw {CODES[0]}", NOW_S)
    assert registrations.register(CODES[0], "10.0.0.9", right, URI, NOW_S).refusal == "locked"
    # Another device behind the same address, and the real one elsewhere.
    other = proof(digest, CODES[1], f"pw {CODES[1]}", NOW_S)
    assert registrations.register(CODES[1], "10.0.0.9", other, URI, NOW_S).refusal is None
    assert registrations.register(CODES[0], "10.0.0.1", right, URI, NOW_S).refusal is None
    later_s = NOW_S + LOCK_S + 1
    registrations.unregister(CODES[0])
    again = proof(digest, CODES[0], f"pw {CODES[0]}", later_s)
    assert registrations.register(CODES[0], "10.0.0.9", again, URI, later_s).refusal is None


def test_an_account_that_changed_must_prove_itself_anew() -> None:
    registrations, digest = opened()
    header = proof(digest, CODES[0], f"pw {CODES[0]}", NOW_S)
    assert registrations.register(CODES[0], "10.0.0.1", header, URI, NOW_S).refusal is None
    ended = registrations.hold({CODES[0]: Account("p", CODES[0], CODES[0], "another password")})
    assert [one.account.code for one in ended] == [CODES[0]]
    found = registrations.admit(CODES[0], "10.0.0.1", None, "POST", "/k", NOW_S)
    assert found.refusal == "not_registered"


def test_the_silent_are_told_once() -> None:
    registrations, digest = opened(silent_s=10)
    header = proof(digest, CODES[0], f"pw {CODES[0]}", NOW_S)
    registrations.register(CODES[0], "10.0.0.1", header, URI, NOW_S)
    assert registrations.expire(NOW_S + 9) == []
    assert [one.address for one in registrations.expire(NOW_S + 11)] == ["10.0.0.1"]
    assert registrations.expire(NOW_S + 12) == []


def test_the_client_answers_a_challenge_once() -> None:
    digest = DigestServer("r", b"k" * 32)
    client = ViewLibraryClient(CODES[0], CODES[0], "right")
    first = client.request("POST", URI, {"RegisterObject": {"DeviceID": CODES[0]}})
    assert "Authorization" not in first.headers
    second = client.received(first, 401, digest.challenges(NOW_S), b"")
    header = second.headers["Authorization"]  # type: ignore[union-attr]
    assert digest.verify(header, "POST", URI, {CODES[0]: "right"}.get, NOW_S).accepted
