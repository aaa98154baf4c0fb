"""Accounts, grants, areas, sheets, desks and tokens, as those who keep them see them."""

from __future__ import annotations

import asyncio
import json
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import serve_demo
from tests.browser.screens import DESK, TELEPHONE, on_screens
from tests.peers.openid_provider import CLIENT_SECRET, OpenIdProvider, running_provider

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "people keep their own words 5"
PIN = "738291"
PAGES = ["areas", "users", "sheets", "desks", "tokens", "account", "shift"]


@pytest.fixture(scope="module")
def township(console: Any) -> Iterator[dict[str, Any]]:
    """A township with a code and a village, beside those of the demo."""
    county = console.call("GET", "/api/areas")["items"][0]
    form = {"parent_id": county["id"], "name": "彭墩镇", "code": "420881104000", "axis": "area"}
    made = console.call("POST", "/api/areas", form)
    village = {"parent_id": made["id"], "name": "荆台村", "code": "420881104200", "axis": "area"}
    below = console.call("POST", "/api/areas", village)
    yield made
    for area in (below, made):
        console.call("DELETE", f"/api/areas/{area['id']}")


@pytest.fixture
def person(console: Any) -> Iterator[Callable[..., dict[str, Any]]]:
    """``person("liming", "李明", "operator")``: an account that has chosen its password."""
    made: list[str] = []

    def make(name: str, display_name: str, role: str | None = None, area_id: str = "*") -> Any:
        form = {"name": name, "display_name": display_name}
        user = console.call("POST", "/api/users", form)
        made.append(user["id"])
        if role is not None:
            grant = {"user_id": user["id"], "role": role, "area_id": area_id}
            console.call("POST", "/api/grants", grant)
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        for path, body in (
            ("/api/session", {"name": name, "password": user["one_time_password"]}),
            (
                "/api/session/password",
                {"old_password": user["one_time_password"], "new_password": PASSWORD},
            ),
        ):
            request = urllib.request.Request(
                console.url + path,
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            opener.open(request, timeout=20).close()
        return user

    yield make
    for user_id in made:
        console.call("DELETE", f"/api/users/{user_id}")


def sign_in(page: Page, name: str) -> None:
    """Sign in with the password, also where the PIN is offered."""
    page.goto("/sign-in")
    expect(page.get_by_role("heading", name="登录视频网关")).to_be_visible()
    page.wait_for_load_state("networkidle")
    by_password = page.get_by_role("button", name="用密码登录")
    if by_password.is_visible():
        by_password.click()
    page.locator('input[name="name"]').fill(name)
    page.locator('input[name="password"]').fill(PASSWORD)
    page.locator('input[name="password"]').press("Enter")


def choose(page: Page, field: Locator, typed: str, option: str) -> None:
    """Choose an area or a person by typing, once the search has found nothing else."""
    field.click()
    page.keyboard.type(typed)
    options = page.locator(".el-select-dropdown__item:visible")
    expect(options.filter(has_not_text="全县")).to_have_count(1)
    options.filter(has_text=option).click()


def test_a_person_is_added_granted_and_seen_to_see(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    page.goto("/users")
    page.get_by_role("button", name="添加人员").click()
    dialog = page.get_by_role("dialog", name="添加人员")
    dialog.locator('input[name="user-name"]').fill("wanglei")
    dialog.locator('input[name="display-name"]').fill("王磊")
    dialog.get_by_role("button", name="保存").click()
    expect(dialog.locator("output")).to_have_text(re.compile(r"^\w{4}(-\w{4}){3}$"))
    dialog.get_by_role("link", name="去授权").click()
    expect(page.get_by_text("看不到任何摄像机", exact=True)).to_be_visible()
    page.get_by_role("button", name="添加授权").click()
    form = page.get_by_role("dialog", name="添加授权")
    # By the initials of its pinyin.
    choose(page, form.get_by_label("范围"), "spz", "石坪镇")
    form.get_by_role("button", name="授权").click()
    seen = page.locator(".seen tbody tr")
    own = [camera["name"] for camera in cameras if "石坪镇" in camera["area_path"]]
    expect(seen).to_have_count(len(own))
    expect(seen.first).to_contain_text("实时")

    page.goto("/cameras")
    row = page.locator("tbody tr").filter(has_text=own[0])
    row.get_by_role("button", name="更多").click()
    page.get_by_role("menuitem", name="谁能看到此摄像机").click()
    viewers = page.get_by_role("dialog", name=f"谁能看到“{own[0]}”")
    expect(viewers.locator("tbody tr").filter(has_text="王磊")).to_contain_text("观看员")
    viewers.get_by_role("link", name="王磊").click()

    page.get_by_role("button", name="收回").click()
    page.locator(".el-message-box").get_by_role("button", name="收回").click()
    expect(page.get_by_text("看不到任何摄像机", exact=True)).to_be_visible()
    page.goto("/users")
    row = page.locator("tbody tr").filter(has_text="wanglei")
    row.get_by_role("button", name="删除").click()
    page.locator(".el-message-box").get_by_role("button", name="删除").click()
    expect(row).to_have_count(0)


def test_areas_are_found_by_initials_added_on_another_axis_and_deleted(
    township: dict[str, Any], page: Page, watch: Any
) -> None:
    watch.expected_errors.append("status of 4(09|22)")
    page.goto("/areas")
    page.locator('.tree input[type="search"]').fill("jtc")
    page.locator(".row.is-found").filter(has_text="荆台村").click()
    expect(page.get_by_role("heading", name="荆台村")).to_be_visible()
    expect(page.locator(".row.is-active")).to_contain_text("荆台村")
    expect(page.locator(".way")).to_have_text("云溪县 / 彭墩镇 / 荆台村")

    page.get_by_role("radio", name="部门").click()
    page.get_by_role("button", name="添加顶层").click()
    form = page.get_by_role("dialog", name="添加")
    form.locator('input[name="area-name"]').fill("水利局")
    form.get_by_role("button", name="保存").click()
    expect(page.get_by_role("heading", name="水利局")).to_be_visible()
    page.get_by_role("button", name="添加下级").click()
    form.locator('input[name="area-name"]').fill("防汛办")
    form.get_by_role("button", name="保存").click()
    expect(page.get_by_role("heading", name="防汛办")).to_be_visible()

    def delete() -> None:
        page.locator("section").get_by_role("button", name="删除").click()
        page.locator(".el-message-box").get_by_role("button", name="删除").click()

    page.locator(".row.is-area").filter(has_text="水利局").click()
    delete()
    expect(page.get_by_text("此区域下还有下级区域")).to_be_visible()
    for name in ("防汛办", "水利局"):
        row = page.locator(".row.is-area").filter(has_text=name)
        row.click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        delete()
        expect(row).to_have_count(0)


def test_an_area_stays_where_it_is_when_it_is_renamed_before_the_way_to_it_is_found(
    console: Any, township: dict[str, Any], page: Page
) -> None:
    # Of hundreds of cells of one name the search gives the first few.
    page.route("**/api/areas/search*", lambda route: route.fulfill(json={"items": []}))
    page.goto("/areas")
    page.locator(".row.is-area").filter(has_text="彭墩镇").click()
    page.locator("section").get_by_role("button", name="修改").click()
    form = page.get_by_role("dialog", name="修改")
    form.locator('input[name="area-name"]').fill("彭墩新镇")
    form.get_by_role("button", name="保存").click()
    expect(page.get_by_role("heading", name="彭墩新镇")).to_be_visible()
    below = console.call("GET", f"/api/areas?parent_id={township['parent_id']}")["items"]
    assert "彭墩新镇" in [one["name"] for one in below]
    console.call("PATCH", f"/api/areas/{township['id']}", {"name": "彭墩镇"})


def test_a_sheet_with_faults_writes_nothing_and_a_clean_one_all(
    console: Any, township: dict[str, Any], page: Page
) -> None:
    page.goto("/sheets")
    heading = "体系,编码,名称,上级编码,上级,顺序\n"
    bad = heading + "区划,42088110420,坏/村,420881104000,,1\n区划,420881104299,新村,999,,2\n"
    upload = page.locator('input[type="file"]')

    def send(name: str, text: str) -> None:
        data = {"name": name, "mimeType": "text/csv", "buffer": text.encode("gb18030")}
        upload.set_input_files(files=[data])  # type: ignore[list-item]

    send("坏.csv", bad)
    expect(page.locator(".result h2")).to_have_text("坏.csv")
    expect(page.get_by_text("没有写入任何内容")).to_be_visible(timeout=60_000)
    faults = page.locator(".result tbody tr")
    expect(faults.filter(has_text="名称")).to_contain_text("2")
    expect(faults.filter(has_text="名称")).to_contain_text("名称中不能有斜杠")
    expect(faults.filter(has_text="上级编码")).to_contain_text("12 位数字")
    expect(page.get_by_role("button", name="写入")).to_have_count(0)

    good = heading + "区划,420881104299,新村,420881104000,,2\n"
    send("好.csv", good)
    expect(page.locator(".result h2")).to_have_text("好.csv")
    expect(page.locator(".counts")).to_contain_text("1 新增", timeout=60_000)
    below = f"/api/areas?parent_id={township['id']}"
    assert "新村" not in [one["name"] for one in console.call("GET", below)["items"]]
    page.get_by_role("button", name="写入").click()
    page.locator(".el-message-box").get_by_role("button", name="写入").click()
    expect(page.get_by_text("已全部写入")).to_be_visible(timeout=60_000)
    made = {one["name"]: one["id"] for one in console.call("GET", below)["items"]}
    send("再来.csv", good)
    expect(page.get_by_text("与现有内容完全相同")).to_be_visible(timeout=60_000)
    console.call("DELETE", f"/api/areas/{made['新村']}")


def test_many_cameras_are_changed_as_previewed(
    console: Any, cameras: list[dict[str, Any]], page: Page
) -> None:
    page.goto("/cameras")

    def rename(find: str, replace: str) -> None:
        page.get_by_label("选择本页全部").check()
        page.get_by_role("button", name="批量修改").click()
        dialog = page.get_by_role("dialog", name="批量修改 4 台摄像机")
        expect(dialog.get_by_role("button", name="预览修改")).to_be_disabled()
        dialog.get_by_placeholder("例如：老街").fill(find)
        dialog.get_by_label("替换为").fill(replace)
        dialog.get_by_role("button", name="预览修改").click()
        expect(dialog.get_by_role("status")).to_contain_text("4 台中有 4 台会变化")
        expect(dialog.locator("tbody tr").first.locator("ins")).to_contain_text(replace)
        names = [one["name"] for one in console.call("GET", "/api/cameras")["items"]]
        assert all(find in name for name in names)
        dialog.get_by_role("button", name="确认修改 4 台").click()
        expect(dialog).to_be_hidden()
        expect(page.locator(".cameras tbody tr").filter(has_text=replace)).to_have_count(4)

    rename("校园", "学校")
    rename("学校", "校园")


def test_an_authenticator_is_enrolled_and_asked_for(
    person: Callable[..., dict[str, Any]], new_page: Callable[..., Page], watch: Any
) -> None:
    watch.expected_errors += ["status of 4", "WebSocket"]
    person("zhaojun", "赵军", "viewer")
    page = new_page(signed_in=False)
    sign_in(page, "zhaojun")
    expect(page.locator(".wall-page")).to_be_visible()
    page.goto("/account")
    page.get_by_role("button", name="绑定动态口令").click()
    dialog = page.get_by_role("dialog", name="绑定动态口令")
    dialog.locator('input[name="own-password"]').fill("not mine")
    dialog.get_by_role("button", name="下一步").click()
    expect(dialog.locator(".el-form-item__error")).to_be_visible()
    dialog.locator('input[name="own-password"]').fill(PASSWORD)
    dialog.get_by_role("button", name="下一步").click()
    expect(dialog.locator("img.qr")).to_be_visible()
    assert dialog.locator("img.qr").evaluate("image => image.naturalWidth") > 20
    secret = dialog.locator("output.secret").inner_text().replace(" ", "")
    dialog.locator('input[name="totp-code"]').fill(pyotp.TOTP(secret).now())
    dialog.get_by_role("button", name="下一步").click()
    codes = page.locator(".codes li")
    expect(codes).to_have_count(10)
    recovery_code = codes.first.inner_text()
    expect(page.locator("tbody tr").filter(has_text="当前")).to_contain_text("密码和动态口令")

    page.context.clear_cookies()
    sign_in(page, "zhaojun")
    code = page.locator('input[name="code"]')
    expect(code).to_be_focused()
    code.fill("000000")
    code.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("动态口令")
    code.fill(recovery_code)
    code.press("Enter")
    expect(page.locator(".wall-page")).to_be_visible()
    page.goto("/account")
    expect(page.get_by_text("恢复码还剩 9 个")).to_be_visible()


def test_a_desk_changes_hands_while_its_wall_plays(
    console: Any,
    cameras: list[dict[str, Any]],
    person: Callable[..., dict[str, Any]],
    new_page: Callable[..., Page],
    watch: Any,
) -> None:
    watch.expected_errors += ["status of 4", "WebSocket"]
    people = [person("liming", "李明", "operator"), person("wangfang", "王芳", "operator")]
    page = new_page(signed_in=False)
    page.context.add_cookies(console.storage_state["cookies"])
    page.goto("/desks")
    page.get_by_role("button", name="登记为值班台").click()
    form = page.get_by_role("dialog")
    form.locator('input[name="desk-name"]').fill("县指挥中心 1 号台")
    choose(page, form.get_by_label("区域"), "yxx", "云溪县")
    form.get_by_role("button", name="保存").click()
    expect(page.get_by_text("此浏览器是值班台")).to_be_visible()
    page.locator("tbody").get_by_role("button", name="修改").click()
    expect(form.locator(".el-select")).to_have_text("不修改")
    form.get_by_role("button", name="取消").click()
    expect(form).to_be_hidden()
    page.context.clear_cookies(name="gridsight_session")
    for user in people:
        sign_in(page, user["name"])
        expect(page.locator(".wall-page")).to_be_visible()
        page.goto("/account")
        page.get_by_role("button", name="设置 PIN").click()
        page.locator('input[name="pin-password"]').fill(PASSWORD)
        page.locator('input[name="pin"]').fill(PIN)
        page.locator('input[name="pin-again"]').fill(PIN)
        page.locator('input[name="pin-again"]').press("Enter")
        expect(page.get_by_role("button", name="修改 PIN")).to_be_visible()

    # 王芳 is on duty. 李明 takes over, and the picture plays on.
    page.goto("/wall")
    page.locator(".row.is-camera").first.dblclick()
    tile = page.locator(".tile").first
    expect(tile).to_have_attribute("data-phase", "playing", timeout=30_000)
    video = tile.locator("video")
    video.evaluate(
        "video => { video.dataset.stops = '0';"
        "for (const name of ['emptied', 'loadstart', 'pause'])"
        " video.addEventListener(name, () => video.dataset.stops++) }"
    )
    page.get_by_role("button", name="换人").click()
    pin = page.locator('input[name="pin"]')
    page.get_by_role("radio", name="李明").click()
    pin.fill("000111")
    pin.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("还可再试 4 次")
    pin.fill(PIN)
    pin.press("Enter")
    expect(page.get_by_text("李明 已接班")).to_be_visible()
    expect(page.locator("button.user")).to_contain_text("李明")
    frames = "video => video.getVideoPlaybackQuality().totalVideoFrames"
    before = video.evaluate(frames)
    page.wait_for_function(
        "([video, frames]) => video.getVideoPlaybackQuality().totalVideoFrames > frames + 20",
        arg=[video.element_handle(), before],
    )
    assert video.get_attribute("data-stops") == "0"
    expect(tile).to_have_attribute("data-phase", "playing")

    # Handed over, signed by both.
    page.goto("/shift")
    page.locator('input[name="item-text"]').fill("东门 1 号画面模糊，已报修")
    page.get_by_role("button", name="添加").click()
    page.get_by_role("button", name="交班").click()
    give = page.get_by_role("dialog", name="交班")
    expect(give).to_contain_text("已报修")
    give.locator('textarea[name="summary"]').fill("一切正常")
    give.locator('input[name="signature"]').fill(PIN)
    give.get_by_role("button", name="签名并交班").click()
    card = page.locator("article").first
    expect(card).to_contain_text("等待签收")
    page.get_by_role("button", name="换人").click()
    page.get_by_role("radio", name="王芳").click()
    pin.fill(PIN)
    pin.press("Enter")
    card.locator('input[name="signature"]').fill(PIN)
    card.get_by_role("button", name="签收并接班").click()
    expect(card).to_contain_text("李明 → 王芳")
    expect(card).to_contain_text("已签收")
    desk = console.call("GET", "/api/desks")["items"][0]
    console.call("DELETE", f"/api/desks/{desk['id']}")


def test_a_service_token_is_told_once_and_withdrawn(
    console: Any, person: Callable[..., dict[str, Any]], page: Page
) -> None:
    person("platform", "市平台", "integrator")
    page.goto("/tokens")
    page.get_by_role("button", name="新建令牌").first.click()
    form = page.get_by_role("dialog", name="新建令牌")
    form.locator('input[name="token-name"]').fill("市平台对接")
    choose(page, form.get_by_label("所属账号"), "platform", "市平台")
    form.locator('input[name="token-addresses"]').fill("127.0.0.0/8")
    form.get_by_role("button", name="生成").click()
    token = form.locator("output").inner_text()

    def asks(path: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            request = urllib.request.Request(console.url + path, headers=headers)
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert asks("/api/cameras") == 200
    form.get_by_role("button", name="关闭").last.click()
    row = page.locator("tbody tr").filter(has_text="市平台对接")
    expect(row).to_contain_text("127.0.0.0/8")
    expect(row).not_to_contain_text(token)
    row.get_by_role("button", name="收回").click()
    page.locator(".el-message-box").get_by_role("button", name="收回").click()
    expect(row).to_have_count(0)
    assert asks("/api/cameras") == 401


@pytest.fixture
def provider(free_port: int) -> Iterator[OpenIdProvider]:
    """A provider in a thread of its own."""
    started: queue.Queue[OpenIdProvider] = queue.Queue()
    done = threading.Event()

    async def provide() -> None:
        async with running_provider(free_port) as running:
            started.put(running)
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(provide(),))
    thread.start()
    yield started.get(timeout=20)
    done.set()
    thread.join(20)


def test_the_countys_identity_provider_signs_in_who_has_linked_an_identity(
    provider: OpenIdProvider, tmp_path: Path, chromium: Browser
) -> None:
    with serve_demo(
        tmp_path,
        GRIDSIGHT_OIDC__ISSUER=provider.issuer,
        GRIDSIGHT_OIDC__CLIENT_SECRET=CLIENT_SECRET,
        GRIDSIGHT_OIDC__NAME="县统一认证",
        GRIDSIGHT_SIGN_IN__TOTP_ROLES='["auditor"]',
    ) as gateway:
        page = chromium.new_page(base_url=gateway.url, locale="zh-CN")
        page.goto("/sign-in")
        page.get_by_role("button", name="用县统一认证登录").click()
        # Nobody has linked this identity yet: back at the page, which says what to do.
        expect(page).to_have_url(re.compile(r"/sign-in\?.*error="))
        expect(page.get_by_role("alert")).to_contain_text("没有关联账号")
        page.locator('input[name="name"]').fill(gateway.name)
        page.locator('input[name="password"]').fill(gateway.password)
        page.locator('input[name="password"]').press("Enter")
        expect(page.locator(".wall-page")).to_be_visible()
        page.goto("/account")
        page.get_by_role("button", name="关联 县统一认证").click()
        expect(page.get_by_role("button", name="取消关联")).to_be_visible(timeout=15_000)
        page.context.clear_cookies()
        page.goto("/users")
        page.get_by_role("button", name="用县统一认证登录").click()
        # Back where one wanted to go.
        expect(page.get_by_role("heading", name="人员")).to_be_visible(timeout=15_000)

        # Whose role asks for an authenticator enrols one before anything else.
        user = gateway.call("POST", "/api/users", {"name": "sun", "display_name": "小孙"})
        grant = {"user_id": user["id"], "role": "auditor", "area_id": "*"}
        gateway.call("POST", "/api/grants", grant)
        page.context.clear_cookies()
        page.goto("/sign-in")
        page.locator('input[name="name"]').fill("sun")
        page.locator('input[name="password"]').fill(user["one_time_password"])
        page.locator('input[name="password"]').press("Enter")
        page.locator('input[name="new-password"]').fill(PASSWORD)
        page.locator('input[name="repeat-password"]').fill(PASSWORD)
        page.locator('input[name="repeat-password"]').press("Enter")
        expect(page).to_have_url(f"{gateway.url}/account")
        dialog = page.get_by_role("dialog", name="绑定动态口令")
        dialog.locator('input[name="own-password"]').fill(PASSWORD)
        dialog.get_by_role("button", name="下一步").click()
        secret = dialog.locator("output.secret").inner_text().replace(" ", "")
        dialog.locator('input[name="totp-code"]').fill(pyotp.TOTP(secret).now())
        dialog.get_by_role("button", name="下一步").click()
        page.get_by_role("button", name="回到实时预览").click()
        expect(page.locator(".wall-page")).to_be_visible()
        page.close()


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_every_page_about_people_fits_and_is_translated(
    new_page: Callable[..., Page], locale: str
) -> None:
    page = new_page(locale=locale)
    for name in PAGES:
        page.goto(f"/{name}")
        expect(page.locator("header.bar")).to_be_visible()
        page.wait_for_load_state("networkidle")
        for _ in on_screens(page, DESK, TELEPHONE):
            text = page.locator("body").inner_text()
            for key in (
                "areas",
                "users",
                "grants",
                "sheets",
                "shift",
                "tokens",
                "account",
                "shell",
            ):
                assert f"{key}." not in text, f"{name}: {key}"
