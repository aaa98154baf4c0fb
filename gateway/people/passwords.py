"""Passwords: Argon2id, in threads, a few at a time."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MINIMUM_LENGTH = 10
MAXIMUM_LENGTH = 200
# A shorter name stands in many a good password by chance.
_TELLING_NAME = 3
# Each takes 64 MiB and tens of milliseconds of every core: a flood of guesses must queue.
_CONCURRENT = 2
# Without the letters and digits that are read for one another.
_ONE_TIME_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(_CONCURRENT, "password")


class WeakPassword(Exception):
    """The password is not good enough; the message says why."""


def check_strength(password: str, name: str) -> None:
    """Raise WeakPassword when it is too short, too long, or holds the name."""
    if len(password) < MINIMUM_LENGTH:
        raise WeakPassword(f"a password has at least {MINIMUM_LENGTH} characters")
    if len(password) > MAXIMUM_LENGTH:
        raise WeakPassword(f"a password has at most {MAXIMUM_LENGTH} characters")
    if len(name) >= _TELLING_NAME and name.casefold() in password.casefold():
        raise WeakPassword("a password does not contain the name")
    if len(set(password)) < 4:
        raise WeakPassword("a password has at least four different characters")


def one_time_password() -> str:
    """A password for the first sign-in: 79 random bits, easily read out and typed."""
    groups = ["".join(secrets.choice(_ONE_TIME_ALPHABET) for _ in range(4)) for _ in range(4)]
    return "-".join(groups)


def hash_password(password: str) -> str:
    """Argon2id with the library's parameters. Takes tens of milliseconds: not on a loop."""
    return _hasher.hash(password)


async def hash_in_thread(password: str) -> str:
    """As :func:`hash_password`, for the loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hash_password, password)


async def verify_in_thread(password: str, password_hash: str | None) -> bool:
    """Whether they fit. With None for an unknown user it takes as long and says no."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _verify, password, password_hash)


def needs_rehash(password_hash: str) -> bool:
    """Whether the parameters have been raised since it was made."""
    return _hasher.check_needs_rehash(password_hash)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe())


def _verify(password: str, password_hash: str | None) -> bool:
    try:
        _hasher.verify(password_hash or _nobodys_hash(), password[: MAXIMUM_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None
