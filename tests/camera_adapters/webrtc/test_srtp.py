"""SRTCP as a peer may send it: genuine once, and nothing else (RFC 3711 §3.3.2, §3.4)."""

from __future__ import annotations

import pytest

from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpError, SrtpKeys, SrtpProfile, SrtpSession

RECEIVER_REPORT = bytes.fromhex("80c9000100000007")


def pair(profile: SrtpProfile) -> tuple[SrtpSession, SrtpSession]:
    """Both ends of one handshake."""
    material = bytes(range(SrtpKeys.exported_size(profile)))
    return (
        SrtpSession(SrtpKeys.from_exported(profile, material, server=True)),
        SrtpSession(SrtpKeys.from_exported(profile, material, server=False)),
    )


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda one: one.name)
def test_a_report_counts_once(profile: SrtpProfile) -> None:
    shard, viewer = pair(profile)
    sent = viewer.protect_rtcp(RECEIVER_REPORT)
    assert shard.unprotect_rtcp(sent) == RECEIVER_REPORT
    with pytest.raises(SrtpError):
        shard.unprotect_rtcp(sent)
    assert shard.unprotect_rtcp(viewer.protect_rtcp(RECEIVER_REPORT)) == RECEIVER_REPORT


@pytest.mark.parametrize("profile", SRTP_PROFILES, ids=lambda one: one.name)
def test_what_was_changed_or_is_not_from_the_peer_is_refused(profile: SrtpProfile) -> None:
    shard, viewer = pair(profile)
    sent = viewer.protect_rtcp(RECEIVER_REPORT)
    forged = [
        sent[:place] + bytes((sent[place] ^ 1,)) + sent[place + 1 :] for place in range(len(sent))
    ]
    # Of our own direction, without any key, and cut.
    forged += [shard.protect_rtcp(RECEIVER_REPORT), RECEIVER_REPORT, b"", sent[:-1]]
    for packet in forged:
        with pytest.raises(SrtpError):
            shard.unprotect_rtcp(packet)
    assert shard.unprotect_rtcp(sent) == RECEIVER_REPORT
