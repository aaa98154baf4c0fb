"""Markup in any text that people write is text: it comes back as it was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.identifiers import US_PER_S, now_us
from tests.gateway.api.conftest import County

MARKUP = "<img src=x onerror=alert(1)><b>&amp;'\"</b>"
# Where forty characters are the most.
SHORT = "<i>0724</i>"
DAY_US = 86_400 * US_PER_S


def incident(county: County) -> dict[str, Any]:
    texts = dict.fromkeys(("title", "words", "place", "reporter_name"), MARKUP)
    return {
        "origin": "call", "origin_id": "markup", "area_id": county.village,
        "reporter_phone": SHORT, **texts,
    }  # fmt: skip


def notice(county: County) -> dict[str, Any]:
    until_us = now_us() + DAY_US
    return {
        "title": MARKUP, "words": MARKUP, "area_ids": [county.village],
        "until_us": until_us,
    }  # fmt: skip


def screen(county: County) -> dict[str, Any]:
    title = {"kind": "title", "x": 0, "y": 0, "width": 32, "height": 2, "text": MARKUP}
    scene = {"name": MARKUP, "widgets": [title]}
    return {"name": MARKUP, "area_id": county.town, "scenes": [scene]}


def rule(county: County) -> dict[str, Any]:
    return {"name": MARKUP, "area_id": county.town, "priority": "high", "steps": []}


def unit(county: County) -> dict[str, Any]:
    return {"name": MARKUP, "area_id": county.village, "phone": SHORT}


def category(_: County) -> dict[str, Any]:
    return {"name": MARKUP}


Form = Callable[[County], dict[str, Any]]


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/api/incidents", incident),
        ("/api/notices", notice),
        ("/api/screens", screen),
        ("/api/alarm-rules", rule),
        ("/api/units", unit),
        ("/api/incident-categories", category),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_markup_in_every_text_of_a_form_comes_back_as_it_was_typed(
    county: County, path: str, form: Form
) -> None:
    await county.user("chief", "system_admin")
    body = form(county)
    async with await county.sign_in("chief") as client:
        made = await client.post(path, json=body)
        assert made.status_code == 201, made.text
        assert made.headers["content-type"] == "application/json"
        answer = made.json()
        assert {name: answer.get(name) for name in texts_of(body)} == texts_of(body)


@pytest.mark.parametrize("kind", ["comment", "reply", "urge", "answer", "close", "rate"])
async def test_so_do_the_words_of_every_step(county: County, kind: str) -> None:
    chief = await county.user("chief", "system_admin")
    columns = {"name": "站", "area_id": county.village}
    await county.write("units.put", unit_id=None, columns=columns, member_ids=[chief])
    more: dict[str, dict[str, Any]] = {"close": {"result": "settled"}, "rate": {"rating": 3}}
    async with await county.sign_in("chief") as client:
        opened = (await client.post("/api/incidents", json=incident(county))).json()
        steps = f"/api/incidents/{opened['id']}/steps"
        if kind == "rate":
            for before in (
                {"kind": "answer", "words": "已补上"},
                {"kind": "close", "result": "settled"},
            ):
                await client.post(steps, json=before)
        step = {"kind": kind, "words": MARKUP, **more.get(kind, {})}
        taken = await client.post(steps, json=step)
        assert taken.status_code == 200, taken.text
        detail = (await client.get(f"/api/incidents/{opened['id']}")).json()
        assert [one["words"] for one in detail["history"] if one["kind"] == kind] == [MARKUP]


def texts_of(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that hold markup."""
    return {name: text for name, text in body.items() if text in (MARKUP, SHORT)}
