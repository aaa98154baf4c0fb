"""Search in Chromium, on what the demo's cameras really show: found, played, followed, approved.

One gateway whose index fills while its cameras play; what was found belongs to the demo's footage,
what was taken to footage that is filed under a camera of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import REPOSITORY, Console, serve_demo
from tests.browser.screens import DESK, LARGE_DESK, TELEPHONE, WALL, on_screens

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PASSWORD = "two people look at this 5"
VIEWS = {"": "人和车", "/change": "画面变化", "/trails": "轨迹", "/requests": "申请与审批"}
FOUND_S = 60_000
# The bag of the composed footage: its box as shares of the picture, when it is left and taken.
BAG, LEFT_S, TAKEN_S, LENGTH_S = (0.30, 0.62, 0.36, 0.70), 12, 32, 50


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A gateway that asks why one searches."""
    folder = tmp_path_factory.mktemp("search")
    environment = {
        "GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON": "true",
        "GRIDSIGHT_SEARCH__ENABLED": "true",
    }
    with serve_demo(folder, **environment) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def indexed(console: Console, wait_until: Callable[..., Any]) -> None:
    """Forty passages or more are in the index."""
    wait_until(
        "passages in the index",
        lambda: console.call("GET", "/api/analysis")["passages"] >= 40,
        180,
    )


@pytest.fixture(autouse=True)
def asked(watch: Any) -> None:
    """The gateway's question comes as a refusal, which browsers note."""
    watch.expected_errors.append(r"status of 422.*/api/(search|playback|live)")


def say_why(page: Page) -> None:
    """Answer the question that the first search asks."""
    page.get_by_role("dialog").locator(".purpose-form").wait_for()
    page.get_by_role("dialog").locator("button[type=submit]").last.click()


def search_for_dark_walkers(page: Page) -> Locator:
    """Persons with dark upper clothing of the last day; their cards."""
    page.goto("/search")
    page.get_by_role("group", name="目标").get_by_role("button", name="行人").click()
    page.get_by_role("group", name="上衣颜色").get_by_role("button", name="深色").click()
    page.get_by_role("button", name="检索", exact=True).click()
    say_why(page)
    cards = page.locator(".card")
    expect(cards.first).to_be_visible(timeout=FOUND_S)
    expect(page.locator(".count")).to_contain_text(re.compile(r"[共前] ?\d+ 个"), timeout=FOUND_S)
    return cards


def searches(console: Console) -> int:
    """How many searches are on record."""
    return len(console.call("GET", "/api/audit?action=search.passages&limit=200")["items"])


def plays(screen: Locator) -> Callable[[], bool]:
    """Whether a picture moves in it."""
    return lambda: bool(
        screen.locator("video").evaluate_all(
            "all => all.some((one) => one.readyState >= 2 && one.currentTime > 0)"
        )
    )


def test_a_walker_in_dark_clothes_is_found_and_played(
    console: Console, indexed: None, page: Page, wait_until: Callable[..., Any]
) -> None:
    cards = search_for_dark_walkers(page)
    expect(cards.first).to_contain_text("行人")
    crop = cards.first.locator("img")
    wait_until("the crop", lambda: crop.evaluate("one => one.naturalWidth") > 8)
    # What was not looked at is said, also where much was found: the demo has run for minutes.
    expect(page.get_by_text(re.compile("只检索了所查时段的"))).to_be_visible()
    (record,) = console.call("GET", "/api/audit?action=search.passages&limit=1")["items"]
    assert record["reason_code"] == "incident"
    before = searches(console)

    cards.first.get_by_role("button", name="播放此刻").click()
    dialog = page.locator(".hit-dialog")
    # Whoever said why they search is not asked again for what the search found.
    wait_until("the passage plays", plays(dialog))
    dialog.get_by_role("link", name="在回放页打开").click()
    expect(page).to_have_url(re.compile(r"/playback\?camera=cam_demo\d&at=\d{16}"))
    say_why(page)
    wait_until("the second plays on the playback page", plays(page.locator(".tiles")))
    page.go_back()
    while "/playback" in page.url:
        page.go_back()
    expect(cards.first).to_be_visible()
    assert searches(console) == before


def test_the_same_walker_is_found_again_by_a_crop(
    console: Console, indexed: None, page: Page, wait_until: Callable[..., Any]
) -> None:
    cards = search_for_dark_walkers(page)
    cards.first.get_by_role("button", name="找相似的").click()
    expect(page.get_by_text("比较的不是人脸：相似不等于同一人")).to_be_visible()
    likeness = page.locator(".card .likeness")
    expect(likeness.nth(3)).to_be_visible(timeout=FOUND_S)
    shares = [int(re.sub(r"\D", "", one)) for one in likeness.all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] >= 80
    # The four cameras show the same street at other times: who walks there walks there again.
    places = set(page.locator(".card .place").all_inner_texts()[:12])
    assert len(places) > 1


def test_somebody_in_a_live_picture_is_searched_by(
    console: Console, indexed: None, page: Page
) -> None:
    page.goto("/search?camera=cam_demo1&pick=live")
    say_why(page)
    dialog = page.get_by_role("dialog", name=re.compile("选取目标"))
    found = dialog.locator(".object")
    expect(found.first).to_be_visible(timeout=FOUND_S)
    found.first.focus()
    page.keyboard.press("Enter")
    expect(found.first).to_have_attribute("aria-pressed", "true")
    dialog.get_by_role("button", name="以此检索").click()
    expect(page.locator(".card .likeness").first).to_be_visible(timeout=FOUND_S)
    expect(page.locator(".model img")).to_be_visible()


def test_an_empty_answer_says_first_what_was_not_searched(
    console: Console, indexed: None, page: Page
) -> None:
    page.goto("/search?" + urllib.parse.urlencode({"plate": "粤Z00000"}))
    # A colleague's search is shown, and run when one says so, with a reason of one's own.
    expect(page.get_by_role("searchbox", name="车牌")).to_have_value("粤Z00000")
    expect(page.locator(".card")).to_have_count(0)
    expect(page.get_by_text("填好条件后点“检索”")).to_be_visible()
    page.get_by_role("button", name="检索", exact=True).click()
    say_why(page)
    coverage = page.get_by_role("region", name="未检索到的时段")
    expect(coverage).to_contain_text("不能说目标没有出现", timeout=FOUND_S)
    expect(coverage.locator("tbody tr").first).to_be_visible()


@pytest.fixture(scope="module")
def taken(console: Console, tmp_path_factory: pytest.TempPathFactory) -> int:
    """When footage begins in which a bag is left and taken; it is filed under a camera."""
    clip = tmp_path_factory.mktemp("bag") / "bag.mp4"
    _compose(clip)
    start_s = int(time.time()) - 2 * 3600
    subprocess.run(
        [
            str(Path(sys.executable).parent / "gridsight"),
            *("import", str(clip), "--camera", "cam_demo2"),
            *("--start", datetime.fromtimestamp(start_s, UTC).isoformat()),
            *("--data", str(console.data_directory)),
        ],
        check=True,
        timeout=120,
    )
    return start_s


def _compose(path: Path) -> None:
    """The demo's street, and a red bag that stands on its lawn for a while."""
    with (
        av.open(str(REPOSITORY / "gateway/demo/crossing.mp4")) as clip,
        av.open(str(path), "w") as output,
    ):
        street = clip.streams.video[0]
        width, height = street.codec_context.width, street.codec_context.height
        stream = output.add_stream("libx264", rate=5, options={"g": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        pictures = [
            frame.to_ndarray(format="bgr24")
            for number, frame in enumerate(clip.decode(video=0))
            if number % 5 == 0
        ]
        left, top, right, bottom = (
            int(share * side)
            for share, side in zip(BAG, (width, height) * 2, strict=True)
        )  # fmt: skip
        for number in range(LENGTH_S * 5):
            picture = np.array(pictures[number % len(pictures)], np.uint8)
            if LEFT_S * 5 <= number < TAKEN_S * 5:
                picture[top:bottom, left:right] = (30, 20, 160)
            frame = VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def draw(page: Page, board: Locator, box: tuple[float, float, float, float]) -> None:
    """Drag a rectangle over the picture."""
    bounds = board.bounding_box()
    assert bounds is not None
    across = [bounds["x"] + share * bounds["width"] for share in (box[0], box[2])]
    down = [bounds["y"] + share * bounds["height"] for share in (box[1], box[3])]
    page.mouse.move(across[0], down[0])
    page.mouse.down()
    page.mouse.move(across[1], down[1], steps=5)
    page.mouse.up()


def test_a_region_tells_when_a_thing_was_taken(
    console: Console, taken: int, page: Page, wait_until: Callable[..., Any]
) -> None:
    page.goto("/search/change?camera=cam_demo2")
    say_why(page)
    page.get_by_role("tab", name="自定义时间").click()
    for name, at_s in (("从", taken), ("到", taken + LENGTH_S)):
        shown = page.evaluate(
            "s => new Date(s * 1000 - new Date().getTimezoneOffset() * 60000)"
            ".toISOString().slice(0, 19)",
            at_s,
        )
        page.locator("input[type=datetime-local]").nth(0 if name == "从" else 1).fill(shown)
    page.keyboard.press("Tab")
    board = page.locator(".picture .board svg")
    expect(board).to_have_attribute("aria-busy", "false", timeout=FOUND_S)
    page.get_by_role("button", name="开始时的画面").click()
    expect(board).to_have_attribute("aria-busy", "false", timeout=FOUND_S)
    draw(page, board, (0.27, 0.58, 0.39, 0.74))
    page.get_by_role("button", name="查找变化").click()
    gone = page.locator(".moment.is-gone")
    expect(gone).to_have_count(1, timeout=FOUND_S)
    expect(page.get_by_text(re.compile("变化 [12] 次"))).to_be_visible(timeout=FOUND_S)
    pictures = gone.locator("img")
    wait_until(
        "before and after",
        lambda: min(pictures.evaluate_all("all => all.map((one) => one.naturalWidth)")) > 100,
    )
    gone.get_by_role("button", name="查看").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("tab", name="播放").click()
    wait_until("what happened plays", plays(dialog))
    (record,) = console.call("GET", "/api/audit?action=search.change&limit=1")["items"]
    assert record["camera_id"] == "cam_demo2"
    assert record["reason_code"] == "incident"


@pytest.fixture(scope="module")
def people(console: Console) -> str:
    """Li investigates, Han supervises; the id of the case on which Li works."""
    county = console.call("GET", "/api/areas")["items"][0]["id"]
    for name, shown, role in (("li", "李雷", "investigator"), ("han", "韩梅梅", "supervisor")):
        user = console.call(
            "POST", "/api/users",
            {"name": name, "display_name": shown, "password": PASSWORD, "enabled": True},
        )  # fmt: skip
        console.call(
            "POST", "/api/grants", {"user_id": user["id"], "role": role, "area_id": county}
        )
    case = console.call(
        "POST", "/api/cases", {"number": "A-118", "title": "寻找走失老人", "area_id": county}
    )
    console.call("PUT", f"/api/cases/{case['id']}/members/li", {"role": "member"})
    for number in range(4):
        where = {"longitude": 112.59 + number * 0.0001, "latitude": 31.17 + number * 5e-5}
        console.call("PATCH", f"/api/cameras/cam_demo{number + 1}", where)
    return str(case["id"])


@pytest.fixture(scope="module")
def passwords() -> dict[str, str]:
    """By name, of those who have signed in."""
    return {}


@pytest.fixture
def person(
    console: Console, chromium: Browser, watch: Any, passwords: dict[str, str]
) -> Iterator[Callable[[str], Page]]:
    """``person(name)``: a page in which they are signed in."""
    contexts: list[BrowserContext] = []

    def open_page(name: str) -> Page:
        context = chromium.new_context(
            base_url=console.url, locale="zh-CN", viewport={"width": 1366, "height": 768}
        )
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        page.goto("/sign-in")
        page.locator('input[name="name"]').fill(name)
        page.locator('input[name="password"]').fill(passwords.get(name, PASSWORD))
        page.locator('input[name="password"]').press("Enter")
        # The first password is whoever made the account's: it has to be changed.
        changed = page.locator('input[name="new-password"]')
        expect(changed.or_(page.locator(".wall-page"))).to_be_visible(timeout=FOUND_S)
        if changed.is_visible():
            changed.fill(PASSWORD + " own")
            page.locator('input[name="repeat-password"]').fill(PASSWORD + " own")
            page.locator('input[name="repeat-password"]').press("Enter")
            passwords[name] = PASSWORD + " own"
        expect(page.locator(".wall-page")).to_be_visible(timeout=FOUND_S)
        return page

    yield open_page
    for context in contexts:
        context.close()


def test_two_people_and_a_case_make_a_trail(
    console: Console, indexed: None, people: str, person: Callable[[str], Page], watch: Any
) -> None:
    watch.expected_errors += ["status of 40[134]", "WebSocket"]
    li = person("li")
    li.goto("/search/trails")
    li.get_by_role("button", name="申请跨摄像机追踪").click()
    form = li.get_by_role("dialog", name="申请跨摄像机追踪")
    form.locator("select[name=case]").select_option(people)
    form.locator("textarea[name=reason]").fill("昨晚走失的老人，家属报警")
    form.get_by_role("button", name="提交申请").click()
    expect(li.get_by_text("申请正在等待审批")).to_be_visible()
    li.goto("/search/requests")
    own = li.locator("tbody tr")
    expect(own).to_contain_text("待审批")
    expect(own.get_by_role("button", name="批准")).to_have_count(0)
    expect(own.get_by_role("button", name="紧急启用")).to_be_visible()

    han = person("han")
    han.goto("/search/requests")
    row = han.locator("tbody tr")
    expect(row).to_contain_text("昨晚走失的老人")
    row.get_by_role("button", name="批准").click()
    dialog = han.get_by_role("dialog", name="批准申请")
    dialog.locator("textarea").fill("同意")
    dialog.get_by_role("button", name="批准申请").click()
    han.get_by_role("tab", name="全部").click()
    expect(row).to_contain_text("已批准")

    # Investigators say for which case they search.
    li.goto("/search")
    li.get_by_role("group", name="目标").get_by_role("button", name="行人").click()
    li.get_by_role("button", name="检索", exact=True).click()
    li.locator('input[name="purpose-case"]').fill("A-118")
    say_why(li)
    cards = li.locator(".card")
    expect(cards.first).to_be_visible(timeout=FOUND_S)
    cards.first.get_by_role("button", name="还在哪里出现过").click()
    li.get_by_role("button", name="新建轨迹，从这里开始").click()
    expect(li.locator(".points li")).to_have_count(1)
    expect(li.get_by_text(re.compile(r"\d+ 个候选"))).to_be_visible(timeout=FOUND_S)
    candidates = li.locator(".candidate")
    expect(candidates.first).to_be_visible()
    # On the map, which asks no host for anything, and on the chart of times.
    expect(li.locator(".map-mark.is-way")).to_have_text("1")
    expect(li.locator(".map-mark.is-maybe").first).to_be_visible()
    expect(li.locator(".place-map canvas")).to_be_visible()
    expect(li.get_by_role("group", name="时间图").get_by_role("button").first).to_be_visible()
    candidates.first.get_by_role("button", name="是同一目标").click()
    expect(li.locator(".points li")).to_have_count(2)
    li.get_by_role("button", name="归入案件").click()
    li.locator(".el-message-box").get_by_role("button", name="归入案件").click()
    expect(li.get_by_text("已归入案件").first).to_be_visible()
    li.get_by_role("link", name="案件", exact=True).last.click()
    expect(li.get_by_role("heading", name="轨迹")).to_be_visible()
    done = {one["action"] for one in console.call("GET", "/api/audit?limit=200")["items"]}
    assert {"search.request", "search.also_seen", "trail.add", "trail.attach"} <= done


def test_the_glass_is_broken_in_red_and_reviewed_by_somebody_else(
    console: Console, people: str, person: Callable[[str], Page], watch: Any
) -> None:
    watch.expected_errors += ["status of 40[134]", "WebSocket"]
    li = person("li")
    li.goto("/search/requests")
    li.get_by_role("button", name="新建申请").click()
    form = li.get_by_role("dialog", name="新建申请")
    form.get_by_role("radio", name="照片检索").click()
    form.locator("select[name=case]").select_option(people)
    form.locator("textarea[name=reason]").fill("老人有心脏病，夜间零下")
    form.get_by_role("button", name="提交申请").click()
    row = li.locator("tbody tr").filter(has_text="照片检索")
    row.get_by_role("button", name="紧急启用").click()
    dialog = li.get_by_role("dialog", name=re.compile("未经审批"))
    dialog.get_by_role("button", name="紧急启用").click()
    expect(dialog.get_by_text("请勾选确认。")).to_be_visible()
    dialog.locator("textarea").fill("值班领导电话不通")
    dialog.locator("input[name=sure]").check()
    dialog.get_by_role("button", name="紧急启用").click()
    expect(row).to_contain_text("紧急启用，待复核")
    expect(row).to_have_class(re.compile("is-red"))
    expect(row.get_by_role("button", name="复核")).to_have_count(0)

    han = person("han")
    han.goto("/search/requests")
    row = han.locator("tbody tr").filter(has_text="值班领导电话不通")
    expect(row).to_contain_text("小时")
    row.get_by_role("button", name="复核").click()
    review = han.get_by_role("dialog", name="复核紧急启用")
    review.get_by_role("radio", name="启用得当").click()
    review.locator("textarea").fill("已核实，确属紧急")
    review.get_by_role("button", name="复核").click()
    expect(review).to_be_hidden()
    expect(row).to_have_count(0)


@pytest.mark.parametrize("locale", ["zh-CN", "en"])
def test_every_page_fits_every_screen(
    console: Console, indexed: None, people: str, new_page: Callable[..., Page], locale: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    screens = (DESK, LARGE_DESK, TELEPHONE, WALL)
    page = new_page(locale=locale)
    for view in VIEWS:
        page.goto(f"/search{view}")
        expect(page.locator(".views [aria-current=page]")).to_be_visible()
        page.wait_for_load_state("networkidle")
        for width in on_screens(page, *screens):
            page.screenshot(path=str(tmp_path / f"{view[1:] or 'search'}-{width}.png"))
    page.goto("/search")
    page.locator(".do button[type=submit]").click()
    say_why(page)
    expect(page.locator(".card").first).to_be_visible(timeout=FOUND_S)
    for width in on_screens(page, *screens):
        page.screenshot(path=str(tmp_path / f"found-{width}.png"))
    page.locator(".card .picture").first.click()
    expect(page.locator(".hit-dialog")).to_be_visible()
    for width in on_screens(page, *screens):
        page.screenshot(path=str(tmp_path / f"hit-{width}.png"))
