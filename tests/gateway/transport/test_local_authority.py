"""The gateway's own authority: what it signs, when it signs anew, and that it is believed."""

from __future__ import annotations

import datetime
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from gateway.settings import Settings, SettingsError, load_settings
from gateway.transport.local_authority import LocalAuthority, fingerprint, names_of
from gateway.transport.names import certificate_names, is_name
from gateway.transport.tls import TlsError, describe, open_certificate

NAMES = ["video.county", "198.18.0.1", "localhost", "::1"]
NOW = datetime.datetime.now(datetime.UTC)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_it_is_made_once_and_its_keys_are_private(tmp_path: Path) -> None:
    first = LocalAuthority(tmp_path / "tls", "host")
    again = LocalAuthority(tmp_path / "tls", "renamed")
    assert again.certificate == first.certificate
    other = LocalAuthority(tmp_path / "other", "host")
    assert fingerprint(other.certificate) != fingerprint(first.certificate)
    assert other.certificate.subject != first.certificate.subject
    issued = first.issue(NAMES, NOW)
    for key in (tmp_path / "tls" / "authority.key", issued.key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_two_on_hosts_with_long_names_are_told_apart(tmp_path: Path) -> None:
    names = {
        LocalAuthority(tmp_path / folder, "h" * 63).certificate.subject.rfc4514_string()
        for folder in ("one", "two")
    }
    assert len(names) == 2


def test_what_it_signs_is_believed_for_its_names_and_no_others(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path, "host")
    certificate = read(authority.issue(NAMES, NOW).certificate)
    assert names_of(certificate) == ["video.county", "localhost", "198.18.0.1", "::1"]
    builder = PolicyBuilder().store(Store([authority.certificate])).time(NOW)
    verifier = builder.build_server_verifier(x509.DNSName("video.county"))
    assert verifier.verify(certificate, [])[0] == certificate
    with pytest.raises(VerificationError):
        builder.build_server_verifier(x509.DNSName("bank.example")).verify(certificate, [])
    foreign = LocalAuthority(tmp_path / "foreign", "host")
    stranger = PolicyBuilder().store(Store([foreign.certificate])).time(NOW)
    with pytest.raises(VerificationError):
        stranger.build_server_verifier(x509.DNSName("video.county")).verify(certificate, [])


def test_a_certificate_is_kept_while_it_is_good_and_renewed_before_it_ends(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path, "host")
    issued = authority.issue(NAMES, NOW)
    first = issued.certificate.read_bytes()
    assert authority.issue(NAMES[:2], NOW).certificate.read_bytes() == first
    later = NOW + datetime.timedelta(days=300)
    assert authority.issue(NAMES, later).certificate.read_bytes() == first
    ending = NOW + datetime.timedelta(days=380)
    assert authority.issue(NAMES, ending).certificate.read_bytes() != first


@pytest.mark.parametrize("damage", ["names", "certificate", "key", "authority"])
def test_what_is_not_good_any_more_is_made_anew(tmp_path: Path, damage: str) -> None:
    authority = LocalAuthority(tmp_path, "host")
    issued = authority.issue(NAMES, NOW)
    first = issued.certificate.read_bytes()
    names = list(NAMES)
    match damage:
        case "names":
            names.append("new.county")
        case "certificate":
            issued.certificate.write_bytes(first[:100])
        case "key":
            issued.key.write_bytes(LocalAuthority(tmp_path / "x", "x").pem)
        case "authority":
            for file in ("authority.crt", "authority.key"):
                (tmp_path / file).unlink()
            authority = LocalAuthority(tmp_path, "host")
    again = authority.issue(names, NOW)
    certificate = read(again.certificate)
    assert again.certificate.read_bytes() != first
    assert set(names) <= set(names_of(certificate))
    certificate.verify_directly_issued_by(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(again.certificate, again.key)


def shake_hands(served: ssl.SSLContext, authority: bytes) -> x509.Certificate:
    """What a client that trusts ``authority`` is shown. Raises SSLError."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            with served.wrap_socket(theirs, server_side=True) as connection:
                connection.recv(1)
        except OSError:
            theirs.close()

    serving = threading.Thread(target=answer)
    serving.start()
    client = ssl.create_default_context(cadata=authority.decode())
    try:
        with client.wrap_socket(ours, server_hostname="127.0.0.1") as connection:
            der = connection.getpeercert(binary_form=True)
            assert der is not None
            return x509.load_der_x509_certificate(der)
    finally:
        ours.close()
        serving.join()


def test_given_files_are_taken_up_anew_and_a_bad_pair_leaves_the_old_in_use(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path / "authority", "host")
    first = authority.issue(["127.0.0.1"], NOW)
    settings = Settings(
        data_directory=tmp_path / "data",
        tls={"certificates": "files", "certificate": first.certificate, "key": first.key},
    )
    served = open_certificate(settings)
    assert served is not None
    assert served.authority is None
    before = shake_hands(served.context, authority.pem)
    assert served.look_again() is False

    good = first.key.read_bytes()
    first.key.write_bytes(b"no key")
    with pytest.raises(TlsError, match=r"tls\.certificate"):
        served.look_again()
    assert shake_hands(served.context, authority.pem) == before

    first.key.write_bytes(good)
    authority.issue(["127.0.0.1", "new.county"], NOW)
    assert served.look_again() is True
    assert "new.county" in names_of(shake_hands(served.context, authority.pem))
    with pytest.raises(ssl.SSLError):
        shake_hands(served.context, LocalAuthority(tmp_path / "foreign", "host").pem)


def test_auto_encrypts_beyond_this_machine_unless_a_proxy_does(tmp_path: Path) -> None:
    def kind(**flags: object) -> str:
        return load_settings(flags, environment={}).settings.tls_kind

    assert kind() == "off"
    assert kind(listen={"address": "127.8.8.8"}) == "off"
    assert kind(listen={"address": "::1"}) == "off"
    assert kind(listen={"address": "0.0.0.0"}) == "local"
    assert kind(listen={"address": "10.1.2.3"}, public_url="https://video.county") == "off"
    assert kind(listen={"address": "10.1.2.3"}, tls={"certificates": "off"}) == "off"
    with pytest.raises(SettingsError, match=r"tls\.certificate and tls\.key"):
        kind(tls={"certificates": "files"})


def test_the_names_are_those_by_which_browsers_come(tmp_path: Path) -> None:
    settings = Settings(
        data_directory=tmp_path,
        listen={"address": "0.0.0.0"},
        tls={"names": ["video.county", "not a name", "video.county"]},
    )
    names = certificate_names(settings)
    assert names[0] == "video.county"
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)
    assert "not a name" not in names
    assert len(names) == len(set(names))
    assert not is_name("")
    assert not is_name("a" * 64)


def test_an_administrator_reads_the_fingerprint_on_the_server(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path, listen={"address": "10.1.2.3"})
    assert "made at the first start" in describe(settings)[0]
    served = open_certificate(settings)
    assert served is not None
    assert served.authority is not None
    assert any(fingerprint(served.authority.certificate) in line for line in describe(settings))
    (tmp_path / "tls" / "authority.crt").write_text("damaged")
    with pytest.raises(TlsError, match="authority"):
        open_certificate(settings)
