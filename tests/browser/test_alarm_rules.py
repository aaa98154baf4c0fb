"""Rules of alarms in the console: made by hand, followed by the next alarm."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Console
from tests.browser.device_events import camera_tells
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def test_a_rule_made_by_hand_gives_the_next_alarm_its_priority(
    console: Console, page: Page
) -> None:
    camera = console.call("GET", "/api/cameras/cam_demo1")
    page.goto("/alarms/rules")
    page.get_by_role("button", name="新建规则").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator('input[name="rule-name"]').fill("夜间防破坏")
    dialog.get_by_role("button", name="保存").click()
    expect(dialog.get_by_text("请选择范围")).to_be_visible()
    dialog.get_by_role("combobox", name="区域").click()
    page.get_by_role("option", name="全县").click()
    dialog.get_by_role("combobox", name="设为级别").select_option("emergency")
    dialog.locator("[data-add-step]").click()
    dialog.get_by_role("combobox", name="角色").click(force=True)
    page.get_by_role("option", name="系统管理员").click()
    page.keyboard.press("Tab")
    list(on_screens(page, DESK, LARGE_DESK))
    dialog.get_by_role("button", name="保存").click()
    row = page.locator("tr[data-rule]", has_text="夜间防破坏")
    expect(row).to_contain_text("系统管理员")
    list(on_screens(page, DESK, LARGE_DESK, TELEPHONE))
    row.get_by_role("button", name="修改").click()
    expect(dialog.locator('input[name="rule-name"]')).to_have_value("夜间防破坏")
    dialog.get_by_role("button", name="取消").click()
    camera_tells(console, camera["id"], "intrusion")
    expect(page.get_by_text(f"规则“夜间防破坏”：区域入侵 {camera['name']}")).to_be_visible()
    expect(page).to_have_title(re.compile(r"^\(\d+\) gridsight$"))
    page.goto("/alarms")
    alarm = page.locator("[data-alarm]", has_text="区域入侵")
    # Of its kind it would be one among many.
    expect(alarm).to_contain_text("紧急")
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="提示音：关")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="提示音：关").click()
    expect(page.get_by_role("button", name="提示音：开")).to_be_visible()
    # Other tests' alarms are told of by nobody's rule.
    page.goto("/alarms/rules")
    row.get_by_role("button", name="删除").click()
    page.get_by_role("dialog").get_by_role("button", name="删除").click()
    expect(row).to_have_count(0)


def test_an_alarm_leads_to_live_and_to_its_clip_and_is_escalated_by_hand(
    console: Console, page: Page
) -> None:
    camera_tells(console, "cam_demo2", "digital_input")
    page.goto("/alarms")
    row = page.locator("[data-alarm]", has_text="报警输入").first
    expect(row).to_contain_text("一般")
    began = console.call("GET", "/api/alarms?kind=digital_input")["items"][0]["begin_us"]
    expect(row.locator("[data-live]")).to_have_attribute("href", "/wall?camera=cam_demo2")
    # What led to it is looked at, too.
    clip = f"/playback?camera=cam_demo2&at={began - 10_000_000}"
    expect(row.locator("[data-footage]")).to_have_attribute("href", clip)
    row.locator("[data-escalate]").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="升级").click()
    expect(dialog).to_contain_text("请说明升级原因")
    list(on_screens(page, DESK, LARGE_DESK, TELEPHONE))
    dialog.locator("textarea[name=alarm-why]").fill("门被打开，电话无人接")
    dialog.get_by_role("button", name="升级").click()
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("重要")
    expect(row.locator("[data-escalated]")).to_contain_text("门被打开，电话无人接")
    list(on_screens(page, DESK, LARGE_DESK))
