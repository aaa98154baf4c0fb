"""Rules of alarms in the console: made by hand, followed by the next alarm."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.commands.rows import open_rows
from gateway.identifiers import now_us
from gateway.settings import Settings
from tests.browser.conftest import Console
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


async def raised(console: Console, camera: dict[str, Any]) -> None:
    row = {
        "id": "alm_of_the_rule", "kind": "loitering", "subject": f"camera:{camera['id']}",
        "camera_id": camera["id"], "area_id": camera["area_id"], "begin_us": now_us(),
        "folded_into": None, "detail": {},
    }  # fmt: skip
    async with open_rows(Settings(data_directory=console.data_directory)) as rows:
        await rows.write("alarms.apply", opened=[row], changed=[], closed=[])


def test_a_rule_made_by_hand_gives_the_next_alarm_its_priority(
    console: Console, page: Page
) -> None:
    camera = console.call("GET", "/api/cameras?limit=1")["items"][0]
    page.goto("/alarms/rules")
    page.get_by_role("button", name="新建规则").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator('input[name="rule-name"]').fill("夜间防破坏")
    dialog.get_by_role("button", name="保存").click()
    expect(dialog.get_by_text("请选择范围")).to_be_visible()
    dialog.get_by_role("combobox", name="区域").click()
    page.get_by_role("option", name="全县").click()
    dialog.get_by_role("combobox", name="设为优先级").select_option("emergency")
    dialog.locator("[data-add-step]").click()
    dialog.get_by_role("combobox", name="角色").click(force=True)
    page.get_by_role("option", name="系统管理员").click()
    page.keyboard.press("Tab")
    list(on_screens(page, DESK, LARGE_DESK))
    dialog.get_by_role("button", name="保存").click()
    row = page.locator("tr[data-rule]", has_text="夜间防破坏")
    expect(row).to_contain_text("系统管理员")
    list(on_screens(page, DESK, LARGE_DESK, TELEPHONE))
    expect(page).to_have_title("gridsight")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, raised(console, camera)).result()
    expect(page.get_by_text(f"规则“夜间防破坏”：徘徊 {camera['name']}")).to_be_visible()
    expect(page).to_have_title("(1) gridsight")
    page.goto("/alarms")
    alarm = page.locator('[data-alarm="alm_of_the_rule"]')
    # Of its kind it would be one among many.
    expect(alarm).to_contain_text("紧急")
    page.keyboard.press("m")
    expect(page.get_by_role("button", name="提示音：关")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="提示音：关").click()
    expect(page.get_by_role("button", name="提示音：开")).to_be_visible()
