"""Which requests of telephones are passed on: a list, and everything else is not there. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MIB = 1024 * 1024
_ID = r"[A-Za-z0-9_]{1,40}"
_CODE = r"[A-Za-z0-9_.\-]{1,60}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A kind of request. ``body_bytes``: so much it may carry. ``guesses``: it tries passwords."""

    methods: frozenset[str]
    path: re.Pattern[str]
    body_bytes: int = 0
    guesses: bool = False


def _passage(methods: str, path: str, body_bytes: int = 0, *, guesses: bool = False) -> Passage:
    return Passage(frozenset(methods.split()), re.compile(path), body_bytes, guesses)


_SMALL = 64 * 1024
PASSAGES = (
    _passage("GET DELETE", r"/api/session"),
    _passage("POST", r"/api/session", _SMALL, guesses=True),
    _passage("POST", r"/api/session/password", _SMALL, guesses=True),
    _passage("GET", r"/api/field/(categories|grids|reports|tasks|duty)"),
    _passage("GET", rf"/api/field/reports/{_ID}"),
    _passage("GET", rf"/api/field/tasks/{_ID}"),
    # The sheet for the printer is made within.
    _passage("GET", rf"/api/field/grids/(?!sheet$){_CODE}"),
    _passage("POST", r"/api/field/reports", _SMALL),
    _passage("POST", r"/api/field/uploads", _SMALL),
    _passage("GET", rf"/api/field/uploads/{_ID}"),
    _passage("PATCH", rf"/api/field/uploads/{_ID}", 8 * _MIB),
    _passage("POST", rf"/api/field/uploads/{_ID}/finish", _SMALL),
    _passage("POST", rf"/api/field/tasks/{_ID}/(accept|arrive|reply|answer)", _SMALL),
    _passage("PUT DELETE", r"/api/field/duty", _SMALL),
    _passage("POST", r"/api/field/position", _SMALL),
    _passage("GET PUT POST DELETE", r"/api/field/live", _SMALL),
    # Of one's own reports and tasks; the API says whose they are.
    _passage("GET", rf"/api/attachments/{_ID}/(content|thumbnail)"),
)


def passage_of(method: str, path: str) -> Passage | None:
    """Of a request by the decoded path; None: there is no such thing here."""
    for one in PASSAGES:
        if method in one.methods and one.path.fullmatch(path):
            return one
    return None
