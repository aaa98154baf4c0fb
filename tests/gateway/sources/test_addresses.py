"""Which addresses a camera may have, and what is said of those that it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings import FileSettings, Settings
from gateway.sources.addresses import SCHEMES, endpoint, split_credentials
from gateway.sources.files import path_of


@pytest.mark.parametrize(
    ("url", "bare", "username", "password"),
    [
        ("rtsp://u:p@w@10.0.0.1/s", "rtsp://10.0.0.1/s", "u", "p@w"),
        ("HTTP://u:p@h:8080/live.flv?x=1", "http://h:8080/live.flv?x=1", "u", "p"),
        ("rtmp://h/live/a", "rtmp://h/live/a", None, None),
        ("push://Gate-1", "push://Gate-1", None, None),
        ("gb28181://plt_1/34020000001310000001", None, None, None),
        ("gb28181://plt_1/34020000001310000001?stream=sub", None, None, None),
        ("file:///srv/clips/a b.mp4", None, None, None),
    ],
)
def test_addresses_without_their_credentials(
    url: str, bare: str | None, username: str | None, password: str | None
) -> None:
    assert split_credentials(url) == (bare or url, username, password)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://h/x", "begins with rtsp://"),
        ("push://a/b", "push://NAME"),
        ("push://", "push://NAME"),
        ("gb28181://plt", "PLATFORM_ID/CHANNEL_CODE"),
        ("file://host/x", "three slashes"),
        ("file:///a/../etc/passwd", r"\.\."),
        ("file:///a/%2e%2e/etc/passwd", r"\.\."),
        ("http:///x", "no host name"),
        ("rtmp://h:99999/x", "port"),
    ],
)
def test_what_is_wrong_is_said(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        split_credentials(url)


@given(st.sampled_from(SCHEMES), st.text(max_size=40))
def test_nothing_but_a_value_error_comes_of_any_text(scheme: str, rest: str) -> None:
    try:
        bare, _, _ = split_credentials(f"{scheme}://{rest}")
    except ValueError:
        return
    endpoint(bare)


def test_a_stored_password_belongs_to_host_port_or_name() -> None:
    assert endpoint("http://h/a.flv") == ("h", 80)
    assert endpoint("push://a") != endpoint("push://b")


def test_files_lie_beneath_the_directory_links_followed(tmp_path: Path) -> None:
    inside = tmp_path / "clips"
    inside.mkdir()
    (inside / "out").symlink_to(tmp_path)
    settings = Settings(files=FileSettings(directory=inside))
    assert path_of(f"file://{inside}/a.mp4", settings) == inside / "a.mp4"
    for wrong in (f"file://{tmp_path}/a.mp4", f"file://{inside}/out/a.mp4"):
        with pytest.raises(ValueError, match="beneath"):
            path_of(wrong, settings)
    with pytest.raises(ValueError, match=r"files\.directory"):
        path_of(f"file://{inside}/a.mp4", Settings())
