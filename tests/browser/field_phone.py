"""A telephone with the page of the people in the field."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.screens import TELEPHONE

PLACE = {"longitude": 112.41, "latitude": 31.04, "accuracy": 12}
PHONE: dict[str, Any] = {
    "viewport": dict(zip(("width", "height"), TELEPHONE, strict=True)),
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
    "permissions": ["geolocation", "microphone"],
    "geolocation": PLACE,
}


def enter(page: Page, name: str, password: str) -> str:
    """Sign in, the first time with the password changed; gives the one that holds from now on."""
    page.goto("/field/")
    page.locator("input[name=name]").fill(name)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="登录").click()
    changing = page.locator("input[name=new]")
    expect(changing.or_(page.locator(".report-form"))).to_be_visible()
    if changing.is_visible():
        page.locator("input[name=old]").fill(password)
        password = f"{password}{password[::-1]}"
        changing.fill(password)
        page.get_by_role("button", name="修改并继续").click()
    expect(page.locator(".report-form")).to_be_visible()
    return password
