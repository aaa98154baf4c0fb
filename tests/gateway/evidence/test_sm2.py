"""SM2 against OpenSSL's, in both directions, and against keys and signatures that are none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.evidence.sm2 import DEFAULT_ID, N, P, Sm2Error, Sm2PrivateKey, Sm2PublicKey, sm3

KEY = Sm2PrivateKey(0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8)


def openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=False)


def test_sm3_is_that_of_the_standard() -> None:
    # GB/T 32905-2016, A.1 and A.2.
    assert sm3(b"abc").hex().startswith("66c7f0f462eeedd9d1f2d46bdc10e4e2")
    assert sm3(b"abcd" * 16).hex().startswith("debe9ff92275b8a138604889c18e5a4d")


def test_the_public_key_is_that_of_the_standard() -> None:
    # GB/T 32918.5-2017, A.2.
    assert KEY.public_key().to_bytes().hex() == (
        "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
        "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("genpkey", "-algorithm", "SM2"),
        ("ecparam", "-name", "SM2", "-genkey", "-noout"),
        ("ecparam", "-name", "SM2", "-genkey"),
    ],
)
def test_openssl_takes_our_signatures_and_we_take_theirs(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    private, public, message, signature = (
        tmp_path / name for name in ("key.pem", "public.pem", "message", "signature")
    )
    assert openssl(*command, "-out", str(private)).returncode == 0
    openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
    message.write_bytes(b"evidence" * 1000)
    key = Sm2PrivateKey.from_text(private.read_text())
    common = ("-in", str(message), "-rawin", "-digest", "sm3")
    named = ("-pkeyopt", f"distid:{DEFAULT_ID.decode()}")

    made = key.sign(message.read_bytes())
    halves = (int.from_bytes(made[:32], "big"), int.from_bytes(made[32:], "big"))
    signature.write_bytes(encode_dss_signature(*halves))
    done = openssl(
        "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-sigfile", str(signature),
        *common, *named,
    )  # fmt: skip
    assert b"Verified Successfully" in done.stdout, done.stderr

    openssl("pkeyutl", "-sign", "-inkey", str(private), "-out", str(signature), *common, *named)
    r, s = decode_dss_signature(signature.read_bytes())
    theirs = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert key.public_key().verify(theirs, message.read_bytes())
    assert not key.public_key().verify(theirs, message.read_bytes() + b"!")


@given(st.binary(max_size=64), st.binary(min_size=1, max_size=64))
def test_bytes_at_random_are_no_signature(signature: bytes, message: bytes) -> None:
    assert not KEY.public_key().verify(signature, message)


def test_borders_are_refused() -> None:
    public = KEY.public_key()
    for r, s in ((0, 1), (1, 0), (N, 1), (1, N), (1, N - 1)):
        assert not public.verify(r.to_bytes(32, "big") + s.to_bytes(32, "big"), b"m")
    for scalar in (0, N - 1, N):
        with pytest.raises(Sm2Error):
            Sm2PrivateKey(scalar)
    with pytest.raises(Sm2Error):
        Sm2PublicKey(1, 1)
    with pytest.raises(Sm2Error):
        Sm2PublicKey(public.x + P, public.y)


@pytest.mark.parametrize("algorithm", ["prime256v1", "secp256k1"])
def test_a_key_of_another_curve_is_refused(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "key.pem"
    openssl("ecparam", "-name", algorithm, "-genkey", "-noout", "-out", str(path))
    with pytest.raises(Sm2Error):
        Sm2PrivateKey.from_text(path.read_text())


@given(st.text(max_size=200))
def test_text_at_random_is_no_key(text: str) -> None:
    for made in (text, f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----"):
        with pytest.raises(Sm2Error):
            Sm2PrivateKey.from_text(made)
