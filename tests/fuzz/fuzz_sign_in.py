"""What comes with a request before anybody has signed in: cookies, codes, tokens, addresses."""

from __future__ import annotations

import contextlib

from gateway.identifiers import now_us
from gateway.people.known_devices import device_of, new_device
from gateway.people.oidc import OidcError, Pending
from gateway.people.passwords import WeakPassword, check_strength
from gateway.people.service_tokens import is_within, network
from gateway.people.totp import check_pin, looks_like_recovery_code, matching_step

_SECRET = b"s" * 32
_PENDING = Pending("state", "nonce", "verifier", "http://x/", "/", now_us() + 10**12)
SEEDS = [
    _PENDING.sealed(_SECRET).encode(),
    new_device(_SECRET, "wang").encode(),
    b"123 456",
    b"abcde-fghjk",
    b"10.1.2.0/24",
    b"::ffff:10.0.0.1",
]


def target(data: bytes) -> None:
    """Whatever comes opens nothing, or says why not."""
    text = data.decode("latin-1")
    with contextlib.suppress(OidcError):
        assert Pending.unsealed(_SECRET, text) == _PENDING
    device_of(_SECRET, text, "wang")
    matching_step("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", text, 59_000_000)
    looks_like_recovery_code(text)
    for check in (check_pin, lambda one: check_strength(one, "wang")):
        with contextlib.suppress(WeakPassword):
            check(text)
    with contextlib.suppress(ValueError):
        is_within(text, [network(text)])
    is_within(text, ["10.1.2.0/24"])
