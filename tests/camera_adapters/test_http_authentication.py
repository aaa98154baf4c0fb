"""Basic and Digest (RFC 7617, RFC 7616)."""

from __future__ import annotations

from camera_adapters.http_authentication import (
    Challenge,
    Credentials,
    digest_response,
    parse_challenges,
    parse_parameters,
)
from camera_adapters.rtsp.server_authentication import DigestVerifier


def test_the_example_of_rfc_2617() -> None:
    given = ("Mufasa", "testrealm@host.com", "Circle Of Life", "GET", "/dir/index.html")
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    qop = ("00000001", "0a4f113b")
    assert digest_response("MD5", *given, nonce, qop) == "6629fae49393a05397450978507c4ef1"


def test_the_sha_256_example_of_rfc_7616() -> None:
    given = ("Mufasa", "http-auth@example.org", "Circle of Life", "GET", "/dir/index.html")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    qop = ("00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    expected = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    assert digest_response("SHA-256", *given, nonce, qop) == expected


def test_challenges_in_one_field_and_in_several() -> None:
    digest = (
        'Digest realm="a, b", nonce="n\\"1", qop="auth,auth-int", algorithm=sha-256, stale=TRUE'
    )
    parsed = parse_challenges([f'{digest}, Basic realm="c"', 'Negotiate x="y"'])
    assert parsed == [
        Challenge("Digest", "a, b", 'n"1', "SHA-256", None, True, True),
        Challenge("Basic", "c"),
    ]


def test_the_strongest_is_taken() -> None:
    fields = ['Basic realm="x"', 'Digest realm="x", nonce="1"']
    credentials = Credentials("user", "pass")
    assert credentials.accept(parse_challenges(fields))
    assert credentials.challenge is not None and credentials.challenge.algorithm == "MD5"
    fields.append('Digest realm="x", nonce="1", algorithm=SHA-256')
    assert credentials.accept(parse_challenges(fields))
    assert credentials.challenge.algorithm == "SHA-256"
    assert not credentials.accept(
        parse_challenges(['Digest realm="x", nonce="1", algorithm=SHA-512-256'])
    )


def test_basic_only_where_it_may() -> None:
    challenges = parse_challenges(['Basic realm="x"'])
    credentials = Credentials("Aladdin", "open sesame")
    assert credentials.accept(challenges)
    expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert credentials.authorization("OPTIONS", "rtsp://a/") == expected
    assert not Credentials("a", "b", allow_basic=False).accept(challenges)


def test_our_server_accepts_our_client_and_no_other() -> None:
    verifier = DigestVerifier("gridsight")
    credentials = Credentials('us"er', "päss")
    assert credentials.accept(parse_challenges(verifier.challenges()))
    url = "rtsp://127.0.0.1/cam"
    answer = credentials.authorization("DESCRIBE", url)
    assert answer is not None
    assert verifier.accepts(answer, "DESCRIBE", {'us"er': "päss"})
    assert not verifier.accepts(answer, "SETUP", {'us"er': "päss"})
    assert not verifier.accepts(answer, "DESCRIBE", {'us"er': "pass"})


def test_the_nonce_count_grows() -> None:
    credentials = Credentials("user", "pass")
    credentials.accept([Challenge("Digest", "r", "n", qop_auth=True)])
    counts = []
    for _ in range(2):
        given = parse_parameters(str(credentials.authorization("PLAY", "rtsp://a/")))
        counts.append(given["nc"])
    assert counts == ["00000001", "00000002"]


def test_the_password_is_in_no_repr() -> None:
    assert "hidden" not in repr(Credentials("user", "hidden"))
