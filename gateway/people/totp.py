"""The authenticator's codes (RFC 6238: six digits, SHA-1, 30 s), recovery codes, and PINs.

Pure: who counts attempts and remembers what was used is :mod:`gateway.people.second_factor_rows`.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import secrets
from dataclasses import dataclass

import pyotp
import segno

from gateway.identifiers import US_PER_S
from gateway.people.common_passwords import run_length
from gateway.people.passwords import WeakPassword
from gateway.secrets import derive_key

STEP_S = 30
ISSUER = "gridsight"
RECOVERY_CODES = 10
PIN_DIGITS = (6, 12)

# A telephone may be half a minute off, and people type slowly: RFC 6238 §5.2.
_STEPS_AROUND = 1
_RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator takes in, by typing or by its camera."""

    secret: str
    url: str
    qr_svg: str


def enrol(name: str) -> Enrolment:
    """A new secret (160 random bits) for the account of that name."""
    secret = pyotp.random_base32()
    url = pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)
    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, light="#fff"
    )
    return Enrolment(secret, url, drawn.getvalue().decode())


def matching_step(secret: str, code: str, at_us: int) -> int | None:
    """The time step whose code this is, if it is now, the one before, or the next."""
    digits = re.sub(r"\s", "", code)
    if re.fullmatch(r"[0-9]{6}", digits) is None:
        return None
    now = at_us // US_PER_S // STEP_S
    generator = pyotp.TOTP(secret)
    found = None
    for step in range(now - _STEPS_AROUND, now + _STEPS_AROUND + 1):
        if hmac.compare_digest(generator.generate_otp(step), digits):
            found = step
    return found


def new_recovery_codes() -> list[str]:
    """Ten codes of 49 random bits each: "abcde-fghjk"."""
    made = [
        "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(10))
        for _ in range(RECOVERY_CODES)
    ]
    return [f"{one[:5]}-{one[5:]}" for one in made]


def looks_like_recovery_code(code: str) -> bool:
    """Whether it can be none of the authenticator's."""
    return re.fullmatch(r"[a-z0-9]{10}", _plain(code)) is not None


def recovery_code_hash(secret: bytes, user_id: str, code: str) -> str:
    """What is stored of a recovery code: keyed, since 49 bits alone could be tried out."""
    key = derive_key(secret, "recovery codes")
    return hmac.new(key, f"{user_id}:{_plain(code)}".encode(), hashlib.sha256).hexdigest()


def check_pin(pin: str) -> None:
    """Raise WeakPassword for a PIN that is none, or too simple."""
    least, most = PIN_DIGITS
    if re.fullmatch(rf"[0-9]{{{least},{most}}}", pin) is None:
        raise WeakPassword(f"a PIN has {least} to {most} digits")
    if len(set(pin)) < 3 or run_length(pin) > len(pin) // 2:
        raise WeakPassword("a PIN is no simple run of digits")
    if re.fullmatch(r"(.{1,3})\1+", pin) or re.fullmatch(
        r"(19|20)\d\d(0\d|1[0-2])([0-2]\d|3[01])", pin
    ):
        raise WeakPassword("a PIN is no repetition and no date")


def peppered_pin(secret: bytes, user_id: str, pin: str) -> str:
    """What is hashed of a PIN: keyed, since a million of them are soon tried out."""
    key = derive_key(secret, "pins")
    return hmac.new(key, f"{user_id}:{pin}".encode(), hashlib.sha256).hexdigest()


def _plain(code: str) -> str:
    return re.sub(r"[\s-]", "", code).casefold()
