"""Log lines never carry credentials, wherever these stand."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.log import configure_logging, redact, redact_text
from gateway.settings import LogSettings

SECRET = "pa55w0rd"


@pytest.mark.parametrize(
    "text",
    [
        f"rtsp://admin:{SECRET}@10.0.0.1/main",
        f"RTSP://admin:{SECRET}@@10.0.0.1:554/main",
        f"rtsp://admin:a/b{SECRET}@10.0.0.1/main",
        f"cannot open 'rtsp://admin:{SECRET}@10.0.0.1' (401)",
        f"GET /s/shard-1/whep?ticket={SECRET}.x HTTP/1.1",
        f"https://s3/bucket?X-Amz-Signature={SECRET}&x=1",
        f"Authorization: Digest username=admin, response={SECRET}",
        f'{{"cookie": "gridsight_session={SECRET}"}}',
    ],
)
def test_text_is_redacted(text: str) -> None:
    assert SECRET not in redact_text(text)


@pytest.mark.parametrize(
    "text", ["http://host:8080/a@b", "rtsp://10.0.0.1/main?channel=1", "mail a@b.c", "token ring"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_text(text) == text


def test_values_under_secret_names_are_redacted_at_any_depth() -> None:
    event = {
        "camera": {"password": SECRET, "urls": [f"rtsp://a:{SECRET}@h/"]},
        "store_secret_key": SECRET,
        "headers": [{"Authorization": SECRET}],
        "password": None,
        "error": ValueError(f"rtsp://a:{SECRET}@h/"),
    }
    redacted = redact(event)
    assert SECRET not in repr(redacted)
    assert redacted["password"] is None


@given(
    st.from_regex(r"[A-Za-z0-9!$%^&*()_+=@:.-]{6,20}", fullmatch=True),
    st.sampled_from(["rtsp", "http", "rtsps"]),
)
def test_any_password_in_a_url_is_redacted(password: str, scheme: str) -> None:
    assert f":{password}@" not in redact_text(f"{scheme}://user:{password}@camera/stream")


def test_both_kinds_of_loggers_write_redacted_json(capsys: pytest.CaptureFixture[str]) -> None:
    root, structured = logging.getLogger(), structlog.get_config()
    before = root.handlers[:], root.level
    try:
        configure_logging(LogSettings(), "shard-1")
        try:
            raise ValueError(f"rtsp://admin:{SECRET}@camera/")
        except ValueError:
            structlog.get_logger("one").exception("failed", url=f"rtsp://a:{SECRET}@b/")
        logging.getLogger("two").warning("connecting to %s", f"rtsp://a:{SECRET}@b/")
    finally:
        root.handlers[:], root.level = before
        structlog.configure(**structured)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert SECRET not in json.dumps(lines)
    assert [line["process"] for line in lines] == ["shard-1", "shard-1"]
    assert "ValueError" in lines[0]["exception"]
