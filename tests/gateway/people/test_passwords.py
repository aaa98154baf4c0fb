"""What a password must be."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.people import passwords
from gateway.people.passwords import (
    TooBusy,
    WeakPassword,
    check_strength,
    one_time_password,
    verify_in_thread,
)
from gateway.settings import PasswordSettings


@pytest.mark.parametrize(
    "password",
    [
        "password2026!",
        "P@ssw0rd2026",
        "Hikvision12345",
        "woaini1314520",
        "1qaz2wsx3edc",
        "qwertyuiop12",
        "abcabcabcabc",
        "1234567890",
        "admin@123456",
        "5201314520",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_strength(password, "wang")


@pytest.mark.parametrize(
    "password", ["correct horse 9", "another horse 7", "镇上的老槐树又开花了吧", "xylophone-99"]
)
def test_words_that_belong_to_nobody_else_are_taken(password: str) -> None:
    check_strength(password, "wang")


@given(st.text(min_size=10, max_size=40))
def test_any_text_is_a_password_or_says_why_not(password: str) -> None:
    try:
        check_strength(password, "wang")
    except WeakPassword as error:
        assert str(error)


def test_a_site_may_ask_for_more() -> None:
    strict = PasswordSettings(minimum_length=14, character_classes=4)
    for weak in ("Horse-9 staple", "correct horse nine"):
        with pytest.raises(WeakPassword):
            check_strength(weak.lower(), "wang", strict)
    check_strength("Correct horse 9", "wang", strict)
    for _ in range(20):
        check_strength(one_time_password(), "wang", strict)


async def test_a_flood_of_sign_ins_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "_WAITING_LIMIT", 2)
    results = await asyncio.gather(
        *(verify_in_thread("x", None) for _ in range(5)), return_exceptions=True
    )
    assert [type(one) for one in results].count(TooBusy) == 3
    # And those that were let in leave room behind them.
    assert await verify_in_thread("x", None) is False


async def test_an_account_without_a_password_is_opened_by_none() -> None:
    for stored in (None, "", "no hash"):
        for password in ("", " ", "x"):
            assert await verify_in_thread(password, stored) is False
