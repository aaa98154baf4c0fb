"""Registrations of those below: REGISTER, silence, moves, and who is not let in."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from camera_adapters.gb28181.local_time import CHINA
from camera_adapters.gb28181.registrar import (
    LOCK_S,
    STRANGERS_WRONG_LIMIT,
    WRONG_LIMIT,
    Account,
    Answer,
    Applied,
    Came,
    Gone,
    Moved,
    Refused,
    Registrar,
    RegistrarLimits,
)
from camera_adapters.sip.digest import answer_challenge
from camera_adapters.sip.messages import Headers, SipRequest
from camera_adapters.sip.peer import Peer

CODE = "34020000001320000001"
REALM = "3402000000"
NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, CHINA)
HERE = Peer("10.0.0.1", 5060)
THERE = Peer("10.0.0.2", 5060)


class Clocked:
    """A registrar, devices that know its passwords, and the time."""

    def __init__(self, newcomers: str | None = None, **limits: int) -> None:
        self.accounts: dict[str, Account] = {CODE: Account("secret")}
        self.registrar = Registrar(
            REALM,
            b"key",
            self.accounts.get,
            limits=RegistrarLimits(**limits),
            newcomers_password=newcomers,
        )
        self.now = 1000.0
        self.number = 0

    def send(self, peer: Peer, expires: str, call: str, authorization: str, code: str) -> Answer:
        self.number += 1
        headers = Headers(
            [
                ("To", f"<sip:{code}@{REALM}>"),
                ("Call-ID", call),
                ("CSeq", f"{self.number} REGISTER"),
                ("Contact", f"<sip:{code}@192.168.1.9:5060>"),
            ]
        )
        if expires:
            headers.add("Expires", expires)
        if authorization:
            headers.add("Authorization", authorization)
        request = SipRequest("REGISTER", f"sip:x@{REALM}", headers)
        return self.registrar.register(request, peer, self.now, NOON)

    def prove(
        self, peer: Peer = HERE, password: str = "secret", code: str = CODE, username: str = ""
    ) -> str:
        """An answer to a challenge."""
        answer = self.send(peer, "3600", "x", "", code)
        values = [value for name, value in answer.headers if name == "WWW-Authenticate"]
        proof = answer_challenge(values, username or code, password, "REGISTER", f"sip:x@{REALM}")
        assert proof is not None
        return proof

    def register(
        self,
        peer: Peer = HERE,
        expires: str = "3600",
        call: str = "a",
        password: str = "secret",
        code: str = CODE,
    ) -> Answer:
        asked = self.send(peer, expires, call, "", code)
        if asked.status != 401:
            return asked  # nothing is tried from there for a while
        return self.send(peer, expires, call, self.prove(peer, password, code), code)

    def events(self) -> list[object]:
        return list(self.registrar.events())


def header(answer: Answer, name: str) -> str:
    return dict(answer.headers)[name]


def test_without_proof_there_is_a_challenge_and_no_word_of_it() -> None:
    clocked = Clocked()
    answer = clocked.send(HERE, "3600", "a", "", CODE)
    assert answer.status == 401
    assert 'realm="3402000000"' in header(answer, "WWW-Authenticate")
    assert clocked.events() == []
    assert len(clocked.registrar) == 0


def test_registered_until_it_expires() -> None:
    clocked = Clocked(keepalive_s=3600)
    answer = clocked.register(expires="600")
    assert answer.status == 200
    assert header(answer, "Expires") == "600"
    assert header(answer, "Contact").endswith(";expires=600")
    (came,) = clocked.events()
    assert isinstance(came, Came) and not came.again
    clocked.now += 599
    clocked.registrar.poll(clocked.now)
    assert clocked.events() == []
    clocked.now += 1
    clocked.registrar.poll(clocked.now)
    (gone,) = clocked.events()
    assert isinstance(gone, Gone) and gone.cause == "expired"
    assert len(clocked.registrar) == 0


def test_date_is_in_the_zone_that_was_given() -> None:
    assert header(Clocked().register(), "Date") == "2026-11-22T12:00:00.250"


@pytest.mark.parametrize(
    ("asked", "status", "given"),
    [("30", 423, ""), ("60", 200, "60"), ("999999999", 200, "86400"), ("", 200, "3600")],
)
def test_expiry_is_kept_within_bounds(asked: str, status: int, given: str) -> None:
    answer = Clocked().register(expires=asked)
    assert answer.status == status
    assert header(answer, "Expires" if given else "Min-Expires") == (given or "60")


@pytest.mark.parametrize("asked", ["-1", "x", "1e9", "١"])
def test_expiry_that_is_no_number_is_a_bad_request(asked: str) -> None:
    assert Clocked().send(HERE, asked, "a", "", CODE).status == 400


def test_refresh_is_again_and_a_new_series_is_not() -> None:
    clocked = Clocked()
    clocked.register()
    clocked.register()
    clocked.register(call="after a restart of the device")
    assert [event.again for event in clocked.events() if isinstance(event, Came)] == [
        False,
        True,
        False,
    ]


def test_wrong_password_and_wrong_name_are_told_apart() -> None:
    clocked = Clocked()
    assert clocked.register(password="guess").status == 403
    assert clocked.send(HERE, "3600", "a", clocked.prove(username="admin"), CODE).status == 403
    faults = [event.fault for event in clocked.events() if isinstance(event, Refused)]
    assert faults == ["wrong_password", "unknown_account"]
    assert len(clocked.registrar) == 0


def test_after_five_wrong_passwords_nothing_is_tried_for_five_minutes() -> None:
    clocked = Clocked()
    for _ in range(WRONG_LIMIT):
        assert clocked.register(password="guess").status == 403
    clocked.events()
    proof = clocked.prove(THERE)
    assert clocked.send(HERE, "3600", "a", proof, CODE).status == 403, "the right one, too late"
    refused = clocked.events()[-1]
    assert isinstance(refused, Refused) and refused.fault == "locked"
    assert clocked.send(THERE, "3600", "b", proof, CODE).status == 200, "others are not paused"
    clocked.now += LOCK_S
    clocked.registrar.remove(CODE)
    assert clocked.register().status == 200


def test_the_right_password_begins_the_count_anew() -> None:
    clocked = Clocked()
    for _ in range(3):
        for _ in range(WRONG_LIMIT - 1):
            clocked.register(password="guess")
        assert clocked.register().status == 200


def test_the_newcomers_password_cannot_be_guessed_by_ever_new_codes() -> None:
    clocked = Clocked(newcomers="county")
    codes_of = [f"3402000000132{number:07}" for number in range(100, 100 + STRANGERS_WRONG_LIMIT)]
    unknown = "34020000001320009999"
    early = clocked.prove(THERE, "county", unknown)
    late = clocked.prove(THERE, "county", unknown)
    for code in codes_of:
        assert clocked.register(password="guess", code=code).status == 403
    clocked.events()
    clocked.send(HERE, "3600", "a", early, unknown)
    clocked.send(THERE, "3600", "a", late, unknown)
    told = [event for event in clocked.events() if isinstance(event, Applied)]
    assert [event.knows_password for event in told] == [False, True]


def test_overheard_answer_is_good_for_nothing() -> None:
    clocked = Clocked()
    proof = clocked.prove()
    assert clocked.send(HERE, "3600", "a", proof, CODE).status == 200
    clocked.events()
    answer = clocked.send(THERE, "3600", "b", proof, CODE)
    assert answer.status == 401
    assert "stale=true" in header(answer, "WWW-Authenticate")
    (refused,) = clocked.events()
    assert isinstance(refused, Refused)
    assert (refused.fault, refused.registered) == ("replayed_nonce", True)
    registration = clocked.registrar.get(CODE)
    assert registration is not None and registration.peer == HERE


def test_old_nonce_is_asked_for_anew_without_blame() -> None:
    clocked = Clocked()
    proof = clocked.prove()
    clocked.now += 3600
    answer = clocked.send(HERE, "3600", "a", proof, CODE)
    assert answer.status == 401
    assert "stale=true" in header(answer, "WWW-Authenticate")
    assert clocked.events() == []


def test_stranger_is_told_of_and_never_let_in() -> None:
    stranger = "34020000001320000099"
    clocked = Clocked(newcomers="county")
    assert clocked.register(password="county", code=stranger).status == 403
    assert clocked.register(password="guess", code=stranger).status == 403
    assert [(e.code, e.knows_password) for e in clocked.events() if isinstance(e, Applied)] == [
        (stranger, True),
        (stranger, False),
    ]
    assert len(clocked.registrar) == 0


def test_stranger_is_not_even_challenged_without_a_newcomers_password() -> None:
    clocked = Clocked()
    assert clocked.send(HERE, "3600", "a", "", "34020000001320000099").status == 403
    (applied,) = clocked.events()
    assert isinstance(applied, Applied) and not applied.knows_password


@pytest.mark.parametrize("code", ["", "a b", "x" * 40, "../../etc"])
def test_code_that_can_be_nobodys_is_refused(code: str) -> None:
    clocked = Clocked(newcomers="county")
    assert clocked.send(HERE, "3600", "a", "", code).status in (400, 403)
    assert clocked.events() == []


def test_silence_of_three_keepalives_and_one_word_after_it() -> None:
    clocked = Clocked()
    clocked.register()
    for _ in range(5):
        clocked.now += 100
        assert clocked.registrar.heard(CODE, HERE, clocked.now) is not None
        clocked.registrar.poll(clocked.now)
    clocked.events()
    clocked.now += 180
    clocked.registrar.poll(clocked.now)
    (gone,) = clocked.events()
    assert isinstance(gone, Gone) and gone.cause == "silent"
    clocked.registrar.poll(clocked.now + 10)
    assert clocked.events() == []
    assert clocked.registrar.heard(CODE, HERE, clocked.now + 20) is not None
    (back,) = clocked.events()
    assert isinstance(back, Came) and not back.again


def test_second_device_is_refused_while_the_first_lives() -> None:
    clocked = Clocked()
    clocked.register()
    clocked.events()
    assert clocked.register(THERE, call="b").status == 403
    (refused,) = clocked.events()
    assert isinstance(refused, Refused)
    assert (refused.fault, refused.registered) == ("duplicate_code", True)
    assert clocked.registrar.heard(CODE, THERE, clocked.now) is None
    assert clocked.registrar.heard(CODE, HERE, clocked.now) is not None


def test_device_that_moved_is_taken_once_it_is_silent_where_it_was() -> None:
    clocked = Clocked()
    clocked.register()
    clocked.now += 91
    assert clocked.register(THERE, call="b").status == 200
    registration = clocked.registrar.get(CODE)
    assert registration is not None and registration.peer == THERE
    assert clocked.registrar.at(HERE) is None
    assert clocked.registrar.at(THERE) is registration


def test_same_series_from_elsewhere_is_the_same_device() -> None:
    clocked = Clocked()
    clocked.register()
    assert clocked.register(THERE).status == 200
    moved = [event for event in clocked.events() if isinstance(event, Moved)]
    assert [event.before for event in moved] == [HERE]


def test_two_devices_behind_one_nat_are_noticed_as_they_take_turns() -> None:
    clocked = Clocked()
    other = Peer(HERE.host, 6000)
    clocked.register()
    clocked.register(other, call="b")
    assert not [e for e in clocked.events() if isinstance(e, Refused)]
    clocked.register(HERE, call="a")
    assert [e.fault for e in clocked.events() if isinstance(e, Refused)] == ["duplicate_code"]


def test_redirect_only_after_proof() -> None:
    clocked = Clocked()
    clocked.accounts[CODE] = Account("secret", redirect="sip:other@10.0.0.9:5060")
    assert clocked.register(password="guess").status == 403
    answer = clocked.register()
    assert (answer.status, header(answer, "Contact")) == (302, "<sip:other@10.0.0.9:5060>")
    assert len(clocked.registrar) == 0


def test_restored_registration_is_given_one_silence() -> None:
    clocked = Clocked()
    clocked.registrar.restore(CODE, HERE, 500.0, clocked.now)
    clocked.registrar.poll(clocked.now + 179)
    assert clocked.events() == []
    clocked.registrar.poll(clocked.now + 181)
    assert [event.cause for event in clocked.events() if isinstance(event, Gone)] == ["silent"]


def test_first_word_of_a_restored_registration_is_its_coming() -> None:
    clocked = Clocked()
    clocked.registrar.restore(CODE, HERE, 500.0, clocked.now)
    for _ in range(2):
        assert clocked.registrar.heard(CODE, HERE, clocked.now) is not None
    assert [event.again for event in clocked.events() if isinstance(event, Came)] == [False]


def test_password_appears_in_no_repr() -> None:
    assert "secret" not in repr(Account("secret", "admin"))


PEERS = [HERE, THERE, Peer(HERE.host, 6000), Peer("10.0.0.1", 5060, "tcp")]


class Bookkeeping(RuleBasedStateMachine):
    """Whatever devices do, events tell exactly who is there."""

    def __init__(self) -> None:
        super().__init__()
        self.clocked = Clocked()
        self.there: set[str] = set()

    @rule(
        peer=st.sampled_from(PEERS),
        call=st.sampled_from("ab"),
        expires=st.sampled_from(["0", "60", "3600"]),
        password=st.sampled_from(["secret", "guess"]),
    )
    def registers(self, peer: Peer, call: str, expires: str, password: str) -> None:
        self.clocked.register(peer, expires, call, password)

    @rule(peer=st.sampled_from(PEERS))
    def speaks(self, peer: Peer) -> None:
        self.clocked.registrar.heard(CODE, peer, self.clocked.now)

    @rule(seconds=st.sampled_from([1, 59, 100, 200, 4000]))
    def waits(self, seconds: int) -> None:
        self.clocked.now += seconds
        self.clocked.registrar.poll(self.clocked.now)

    @rule()
    def removed(self) -> None:
        self.clocked.registrar.remove(CODE)

    @invariant()
    def events_tell_who_is_there(self) -> None:
        for event in self.clocked.events():
            if isinstance(event, Came):
                self.there.add(event.registration.code)
            elif isinstance(event, Gone):
                self.there.discard(event.registration.code)
        registrar = self.clocked.registrar
        assert self.there == {one.code for one in registrar if one.present}
        for registration in registrar:
            assert registrar.at(registration.peer) is registration
        assert len(registrar._by_peer) == len(registrar)


Bookkeeping.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestBookkeeping = Bookkeeping.TestCase
