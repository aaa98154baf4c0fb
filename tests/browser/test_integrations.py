"""Channels to other systems: by webhook, e-mail or MQTT, made on one page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


def test_a_channel_by_mail_is_made_and_its_password_is_not_shown_again(
    console: Console, new_page: Callable[..., Page], watch: Any
) -> None:
    # A password that would go elsewhere is asked for anew.
    watch.expected_errors += ["status of 422"]
    page = new_page()
    page.goto("/integrations")
    page.get_by_role("button", name="新建推送通道").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator("[data-kind=email]").click()
    dialog.locator("input[name=channel-name]").fill("值班邮箱")
    dialog.locator("input[name=channel-address]").fill("https://mail.example.com")
    dialog.locator("input[name=channel-username]").fill("video")
    dialog.locator("input[name=channel-password]").fill("correct horse")
    dialog.locator("input[name=channel-sender]").fill("video@example.com")
    dialog.locator("textarea[name=channel-recipients]").fill("a@example.com，b@example.com")
    dialog.locator("button[type=submit]").click()
    expect(dialog.get_by_text("请输入以 smtps:// 或 smtp:// 开头的地址")).to_be_visible()
    for _ in on_screens(page, DESK, TELEPHONE):
        pass
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    dialog.locator("input[name=channel-address]").fill("smtps://mail.example.com")
    dialog.locator("button[type=submit]").click()
    row = page.locator("tr", has_text="值班邮箱").first
    expect(row).to_contain_text("邮件")
    expect(row).to_contain_text("a@example.com、b@example.com")
    # Only a webhook has a secret to be exchanged.
    expect(row.get_by_role("button", name="更换密钥")).to_have_count(0)
    for _ in on_screens(page, DESK, LARGE_DESK, TELEPHONE):
        pass
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})

    row.get_by_role("button", name="修改").click()
    expect(dialog.locator("input[name=channel-password]")).to_have_value("")
    dialog.locator("input[name=channel-address]").fill("smtps://elsewhere.example.com")
    dialog.locator("button[type=submit]").click()
    expect(dialog.get_by_text("say the password anew").first).to_be_visible()
    dialog.locator("input[name=channel-password]").fill("battery staple")
    dialog.locator("button[type=submit]").click()
    expect(row).to_contain_text("smtps://elsewhere.example.com")

    page.get_by_role("button", name="新建推送通道").first.click()
    dialog.locator("[data-kind=mqtt]").click()
    dialog.locator("input[name=channel-name]").fill("消息总线")
    dialog.locator("input[name=channel-address]").fill("mqtts://broker.example.com")
    dialog.locator("input[name=channel-topic]").fill("county/alarms")
    dialog.locator("button[type=submit]").click()
    expect(page.locator("tr", has_text="消息总线").first).to_contain_text("county/alarms/…")
    for channel in console.call("GET", "/api/integrations/channels")["items"]:
        console.call("DELETE", f"/api/integrations/channels/{channel['id']}")
