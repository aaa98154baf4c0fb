"""Passwords: Argon2id, in threads, a few at a time."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.people.common_passwords import is_common, run_length
from gateway.settings import PasswordSettings

MAXIMUM_LENGTH = 200
# A shorter name stands in many a good password by chance.
_TELLING_NAME = 3
# Each takes 64 MiB and tens of milliseconds of every core: a flood of guesses must queue.
_CONCURRENT = 2
# Who would wait longer than a few seconds is told to come again.
_WAITING_LIMIT = 64
# Without the letters and digits that are read for one another.
_ONE_TIME_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_CLASSES = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^a-zA-Z0-9]")

_hasher = PasswordHasher()
_quick_hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
_threads = ThreadPoolExecutor(_CONCURRENT, "password")
_waiting = 0


class WeakPassword(Exception):
    """The password is not good enough; the message says why."""


class TooBusy(Exception):
    """More passwords are being checked than can be: try again in a moment."""


def check_strength(password: str, name: str, rules: PasswordSettings | None = None) -> None:
    """Raise WeakPassword when it is too short, too long, easily guessed, or holds the name."""
    rules = rules or PasswordSettings()
    if len(password) < rules.minimum_length:
        raise WeakPassword(f"a password has at least {rules.minimum_length} characters")
    if len(password) > MAXIMUM_LENGTH:
        raise WeakPassword(f"a password has at most {MAXIMUM_LENGTH} characters")
    if len(name) >= _TELLING_NAME and name.casefold() in password.casefold():
        raise WeakPassword("a password does not contain the name")
    if len(set(password)) < 4 or re.fullmatch(r"(.{1,5})\1+", password):
        raise WeakPassword("a password does not repeat a few characters")
    if run_length(password) > len(password) // 2:
        raise WeakPassword("a password is more than a row of keys or digits")
    if is_common(password):
        raise WeakPassword("this is among the first passwords that anybody tries")
    mixed = sum(re.search(one, password) is not None for one in _CLASSES)
    if mixed < rules.character_classes:
        raise WeakPassword(
            f"a password mixes {rules.character_classes} of lower case letters, capitals, digits "
            "and other characters"
        )


def one_time_password() -> str:
    """A password for the first sign-in: 79 random bits, easily read out and typed. It mixes all
    kinds of characters, so that it passes every rule.
    """
    while True:
        groups = ["".join(secrets.choice(_ONE_TIME_ALPHABET) for _ in range(4)) for _ in range(4)]
        made = "-".join(groups)
        made = made[0].upper() + made[1:]
        if all(re.search(one, made) for one in _CLASSES):
            return made


def hash_password(password: str) -> str:
    """Argon2id with the library's parameters. Takes tens of milliseconds: not on a loop."""
    return _hasher.hash(password)


async def hash_in_thread(password: str) -> str:
    """As :func:`hash_password`, for the loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hash_password, password)


async def hash_one_time_passwords(passwords: Sequence[str]) -> list[str]:
    """Hashes of what :func:`one_time_password` made, thousands a second: nobody can guess 79 random
    bits, however cheap a guess is. The first sign-in makes a hash as strong as any of them.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(
        _threads, lambda: [_quick_hasher.hash(password) for password in passwords]
    )


async def verify_in_thread(password: str, password_hash: str | None) -> bool:
    """Whether they fit. With None for an unknown user it takes as long and says no.

    Raises TooBusy.
    """
    global _waiting
    if _waiting >= _WAITING_LIMIT:
        raise TooBusy("many people are signing in just now: try again in a moment")
    _waiting += 1
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_threads, _verify, password, password_hash)
    finally:
        _waiting -= 1


async def is_any_of(password: str, password_hashes: Iterable[str]) -> bool:
    """Whether it is one of these passwords. Raises TooBusy."""
    for one in password_hashes:
        if await verify_in_thread(password, one):
            return True
    return False


def needs_rehash(password_hash: str) -> bool:
    """Whether the parameters have been raised since it was made."""
    return _hasher.check_needs_rehash(password_hash)


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe())


def _verify(password: str, password_hash: str | None) -> bool:
    # An account without a password (empty) is as one that is not there.
    known = password_hash or None
    try:
        if known is not None and needs_rehash(known):
            # As long as any other answer takes: how long is no sign of what is there.
            _verify(password, None)
        _hasher.verify(known or _nobodys_hash(), password[: MAXIMUM_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
    return known is not None
