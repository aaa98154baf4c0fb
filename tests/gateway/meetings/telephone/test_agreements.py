"""What is agreed with a telephone, who may call, and how often a PIN is tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters import sdp
from camera_adapters.sip.digest import answer_challenge
from camera_adapters.sip.messages import Headers, SipRequest
from camera_adapters.sip.peer import Peer
from gateway.meetings.telephone import call_sdp, codes
from gateway.meetings.telephone.call_sdp import NothingInCommon
from gateway.meetings.telephone.callers import Caller, Callers, Refusal
from gateway.meetings.telephone.tries import PAUSE_S, Tries
from gateway.settings.meetings import SipSettings

OFFER = """v=0
o=- 1 1 IN IP4 10.0.0.7
s=-
c=IN IP4 10.0.0.7
t=0 0
m=audio 4000 RTP/AVP 18 0 8 101
a=rtpmap:18 G729/8000
a=rtpmap:101 telephone-event/8000
m=video 4002 RTP/AVP 96
a=rtpmap:96 H264/90000
"""


def test_an_offer_is_answered_by_the_first_codec_that_both_have() -> None:
    agreed = call_sdp.read(OFFER.replace("\n", "\r\n").encode())
    assert (agreed.host, agreed.port, agreed.codec, agreed.payload_type) == (
        "10.0.0.7", 4000, "PCMU", 0,
    )  # fmt: skip
    assert (agreed.digits_type, agreed.hears) == (101, True)
    answer = call_sdp.answer(agreed, "10.0.0.1", 5000, 3)
    sound, video = sdp.parse(answer).media
    assert (sound.port, [one.encoding for one in sound.formats]) == (
        5000, ["PCMU", "TELEPHONE-EVENT"],
    )  # fmt: skip
    assert (video.kind, video.port) == ("video", 0)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"),
     ("inactive", "inactive")],
)  # fmt: skip
def test_a_line_that_is_held_is_answered_so(theirs: str, ours: str) -> None:
    agreed = call_sdp.read(OFFER.replace("t=0 0", f"t=0 0\na={theirs}").encode())
    assert agreed.hears == (theirs in ("sendrecv", "recvonly"))
    assert f"a={ours}\r\n".encode() in call_sdp.answer(agreed, "10.0.0.1", 5000, 1)


def test_a_line_held_in_the_old_way_is_sent_nothing() -> None:
    assert not call_sdp.read(OFFER.replace("c=IN IP4 10.0.0.7", "c=IN IP4 0.0.0.0").encode()).hears


def test_our_offer_is_read_as_what_it_says() -> None:
    agreed = call_sdp.read(call_sdp.offer("10.0.0.1", 5000, 1))
    assert (agreed.codec, agreed.port, agreed.digits_type) == ("PCMA", 5000, 101)


@pytest.mark.parametrize(
    "body",
    ["", "hello", OFFER.replace("m=audio 4000", "m=audio 0"), OFFER.replace("RTP/AVP", "RTP/SAVP"),
     OFFER.replace("18 0 8 101", "18 101"), OFFER.replace("c=IN IP4 10.0.0.7\n", "")],
)  # fmt: skip
def test_what_has_no_sound_for_us_is_refused(body: str) -> None:
    with pytest.raises(NothingInCommon):
        call_sdp.read(body.encode())


@given(st.text(max_size=400))
def test_whatever_is_offered_is_read_or_refused(text: str) -> None:
    try:
        agreed = call_sdp.read(f"v=0\n{text}".encode())
    except NothingInCommon:
        return
    sdp.parse(call_sdp.answer(agreed, "10.0.0.1", 5000, 1))


def test_number_and_pin_are_digits_that_differ_by_meeting_and_link() -> None:
    secret = bytes(32)
    numbers = {codes.meeting_number(secret, f"mtg_{one}") for one in range(200)}
    assert len(numbers) == 200
    assert all(one.isdigit() and len(one) == 8 and one[0] != "0" for one in numbers)
    pins = {codes.meeting_pin(secret, "mtg_1", f"{link}") for link in range(200)}
    assert len(pins) == 200
    assert all(one.isdigit() and len(one) == 8 for one in pins)
    assert codes.meeting_pin(bytes([1] * 32), "mtg_1", "1") not in pins


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 400)), max_size=60))
def test_tries_pause_exactly_who_failed_often_within_the_pause(
    steps: list[tuple[str, float]],
) -> None:
    tries, wrong, now_s = Tries(3), dict[str, list[float]](a=[], b=[]), 0.0
    for who, later_s in steps:
        now_s += later_s
        recent = [at for at in wrong[who] if now_s - at < PAUSE_S]
        assert (tries.paused_s(who, now_s) > 0) == (len(recent) >= 3)
        tries.wrong(who, now_s)
        wrong[who].append(now_s)


PEER = Peer("10.9.9.9", 5060)


def request(method: str = "REGISTER", name: str = "1001", **fields: str) -> SipRequest:
    headers = Headers(
        [
            ("From", f"<sip:{name}@here>;tag=1"),
            ("To", f"<sip:{name}@here>"),
            ("Call-ID", "1"),
            ("CSeq", f"1 {method}"),
            *fields.items(),
        ]
    )
    return SipRequest(method, "sip:here", headers)


def proven(callers: Callers, password: str, name: str = "1001", **fields: str) -> SipRequest:
    refused = callers.register(request(), PEER, 0.0)
    assert refused.status == 401
    proof = answer_challenge(
        [value for _, value in refused.headers], name, password, "REGISTER", "sip:here"
    )
    assert proof is not None
    return request(name=name, Authorization=proof, **fields)


@pytest.fixture
def callers() -> Callers:
    return Callers(
        SipSettings.model_validate(
            {"accounts": {"1001": "s3cret", "1002": "other"}, "trunk_networks": ["10.1.0.0/16"]}
        ),
        b"key",
    )


def test_a_telephone_registers_with_its_password_and_leaves(callers: Callers) -> None:
    contact = "<sip:1001@10.9.9.9:5070>;expires=60"
    answer = callers.register(proven(callers, "s3cret", Contact=contact), PEER, 100.0)
    assert answer.status == 200
    assert answer.headers == (("Contact", "<sip:1001@10.9.9.9:5070>;expires=60"),)
    bound = callers.binding("1001", 159.0)
    assert bound is not None and bound.peer == PEER
    assert callers.binding("1001", 161.0) is None
    callers.register(proven(callers, "s3cret", Contact=contact), PEER, 200.0)
    callers.register(proven(callers, "s3cret", Contact="*", Expires="0"), PEER, 201.0)
    assert callers.binding("1001", 202.0) is None


def test_nobody_registers_with_a_wrong_password_or_for_another(callers: Callers) -> None:
    contact = "<sip:1001@10.9.9.9:5070>"
    assert callers.register(proven(callers, "wrong", Contact=contact), PEER, 0.0).status == 401
    forged = proven(callers, "s3cret", Contact=contact)
    forged.headers.set("To", "<sip:1002@here>")
    assert callers.register(forged, PEER, 0.0).status == 403
    assert callers.binding("1001", 0.0) is None and callers.binding("1002", 0.0) is None


def test_a_trunk_is_known_by_its_address_and_proves_nobody(callers: Callers) -> None:
    said = callers.judge(request("INVITE", "13800001111"), Peer("10.1.2.3", 5060))
    assert said == Caller("13800001111", proven=False)
    assert isinstance(callers.judge(request("INVITE"), PEER), Refusal)
    assert callers.register(request(), Peer("10.1.2.3", 5060), 0.0).status == 403


def test_without_accounts_strangers_are_not_even_asked_who_they_are() -> None:
    callers = Callers(SipSettings(), b"key")
    assert callers.judge(request("INVITE"), PEER) == Refusal(403)
