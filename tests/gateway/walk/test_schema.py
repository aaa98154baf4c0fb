"""The whole OpenAPI document, asked with what fits it and what nearly does: nothing breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.api.access import SESSION_COOKIE
from gateway.api.process import bind, serve_http
from gateway.settings import ListenSettings
from tests.gateway.api.conftest import county, quick_passwords  # noqa: F401
from tests.gateway.walk.test_api_walk import Walk, walk  # noqa: F401

EXAMPLES = 6
# 503: there is no media process in this test.
FAILED = frozenset({500, 501, 502, 504})
# Names under which a request may hold an id of something that is there.
_KNOWN = (
    "camera_id", "area_id", "user_id", "parent_id", "grant_id", "token_id", "desk_id", "case_id",
    "hold_id", "export_id", "bookmark_id", "restream_id", "handover_id", "item_id", "session_id",
    "meeting_id", "participant_id", "recording_id", "pass_id",
)  # fmt: skip


def _with_known_ids(value: Any, names: dict[str, str]) -> Any:
    """The same with ids of things that are there, so that a request gets past 404."""
    if isinstance(value, dict):
        filled = {
            key: names[key] if key in names else _with_known_ids(one, names)
            for key, one in value.items()
        }
        if "camera_ids" in filled:
            filled["camera_ids"] = [names["camera_id"]]
        return filled
    if isinstance(value, list):
        return [_with_known_ids(one, names) for one in value]
    return value


def _on_this_machine(body: Any) -> Any:
    """Nothing is asked of other machines: addresses of cameras are loopback's or none at all."""
    if isinstance(body, dict):
        return {
            key: "rtsp://127.0.0.1:1/x"
            if key in ("main_url", "sub_url") and "//" in str(one)
            else one
            for key, one in body.items()
        }
    return body


@pytest.mark.timeout(600)
async def test_nothing_that_the_document_allows_fails_inside(walk: Walk) -> None:  # noqa: F811
    names = {name: walk.names[name] for name in _KNOWN if name in walk.names}
    names["parent_id"] = names["area_id"]
    listening = bind(ListenSettings(port=0))
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    loop = asyncio.get_running_loop()

    async def fresh_cookie() -> str:
        client = await walk.county.sign_in("system_admin")
        await client.aclose()
        return str(client.cookies[SESSION_COOKIE])

    failed: list[Any] = []
    asked = 0

    def ask_everything() -> None:
        schema = schemathesis.openapi.from_url(f"{origin}/openapi.json")
        result: Any
        for result in schema.get_all_operations():
            operation = result.ok()
            # A request may end the very sign-in that it comes with.
            cookie = asyncio.run_coroutine_threadsafe(fresh_cookie(), loop).result()
            _ask(operation, cookie)

    def _ask(operation: Any, cookie: str) -> None:
        @given(case=operation.as_strategy(), known=st.booleans())
        @hypothesis_settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any, known: bool) -> None:
            nonlocal asked
            if known:
                case.path_parameters = _with_known_ids(case.path_parameters, names)
                case.query = _with_known_ids(case.query, names)
                case.body = _with_known_ids(case.body, names)
            case.body = _on_this_machine(case.body)
            response = case.call(
                cookies={SESSION_COOKIE: cookie}, headers={"X-Gridsight": "1"}, timeout=60
            )
            asked += 1
            if response.status_code in FAILED:
                failed.append((case.method, case.path, case.query, case.body, response.text[:200]))

        ask()

    async with serve_http(walk.county.app, listening):
        await asyncio.to_thread(ask_everything)
    assert failed == []
    assert asked > 300
