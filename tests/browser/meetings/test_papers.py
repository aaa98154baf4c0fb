"""A meeting's papers in browsers: written by the chair, read by the village, kept afterwards."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.meetings.conftest import JOINED_MS, Township, enter
from tests.browser.meetings.printing import printed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]


def tab(page: Page, name: str) -> None:
    page.locator(f"[data-tab={name}]").click()
    expect(page.locator(".papers")).to_have_attribute("data-paper", name)


def read_sheet(page: Page) -> list[list[Any]]:
    """The cells of the sheet that the page hands out."""
    with page.expect_download() as download:
        page.locator("[data-act=sheet]").click()
    sheet = load_workbook(io.BytesIO(Path(download.value.path()).read_bytes())).active
    assert sheet is not None
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_the_papers_are_written_read_and_kept(
    console: Any, township: Township, sit: Sit, watch: Any, tmp_path: Path
) -> None:
    watch.expected_errors.append("status of 409")
    form = {"title": "村级工作例会", "area_id": township.area_id}
    meeting = console.call("POST", "/api/meetings", form)["id"]
    invited = {"area_ids": list(township.villages.values())}
    console.call("POST", f"/api/meetings/{meeting}/invite", invited)

    # Before it begins, from its line in the list.
    chair = sit()
    chair.goto("/meetings")
    chair.locator(f"[data-meeting={meeting}] [data-act=papers]").click()
    chair.locator("[data-act=write]").click()
    chair.locator("input[name=title]").fill("汛情通报")
    chair.locator("[data-act=add]").click()
    chair.locator("input[name=title]").nth(1).fill("物资调配")
    chair.locator("input[name=minutes]").nth(1).fill("15")
    chair.locator(".draft button[type=submit]").click()
    expect(chair.locator("[data-item]")).to_have_count(2)

    console.call("POST", f"/api/meetings/{meeting}/start")
    village = sit("双桥村", viewport={"width": 390, "height": 844})
    for page in (chair, village):
        enter(page, meeting, microphone=False)
    chair.locator("[data-act=papers]").click()
    chair.locator(".papers [data-act=next]").click()
    expect(chair.locator("[data-item][aria-current=step]")).to_contain_text("汛情通报")
    # Everybody is told at once, whether they look at the agenda or not.
    expect(village.locator("[data-agenda-item]")).to_have_text("议程：汛情通报")
    village.locator("[data-act=papers]").click()
    expect(village.locator("[data-item][aria-current=step]")).to_contain_text("汛情通报")
    # Who does not lead marks nothing, and is told of nobody's attendance.
    expect(village.locator(".papers [data-act=next], [data-act=write]")).to_have_count(0)
    expect(village.locator("[data-tab=attendance]")).to_have_count(0)

    tab(chair, "minutes")
    chair.locator("textarea[name=minute]").fill("今晚 20 时起全员上堤。")
    chair.locator("select[name=kind]").select_option("decision")
    chair.locator("textarea[name=minute]").press("Control+Enter")
    line = chair.locator("[data-minute]")
    expect(line).to_contain_text("今晚 20 时起全员上堤。")
    # It belongs to what was dealt with when it was written.
    expect(line).to_contain_text("汛情通报")
    tab(village, "minutes")
    expect(village.locator("[data-minute]")).to_contain_text("决定")
    expect(village.locator("textarea[name=minute]")).to_have_count(0)

    tab(village, "files")
    content = bytes(range(256)) * 4000
    village.locator("input[type=file]").set_input_files(
        {"name": "排班表.xlsx", "mimeType": "application/octet-stream", "buffer": content}
    )
    expect(village.locator("[data-file]")).to_contain_text("排班表.xlsx", timeout=JOINED_MS)
    expect(village.locator("[data-file] [data-act=remove]")).to_have_count(0)
    tab(chair, "files")
    with chair.expect_download() as download:
        chair.locator("[data-file] a", has_text="排班表.xlsx").click()
    assert download.value.suggested_filename == "排班表.xlsx"
    assert Path(download.value.path()).read_bytes() == content

    tab(chair, "attendance")
    missing = chair.locator("tr[data-participant]", has_text="团山村")
    expect(missing).to_contain_text("未到")
    expect(chair.locator("tr[data-participant]", has_text="双桥村")).to_contain_text("在线")
    came = {row[2]: row[7] for row in read_sheet(chair)[1:]}
    assert (came["双桥村"], came["团山村"]) == ("1", "0")

    console.call("POST", f"/api/meetings/{meeting}/end")
    chair.goto(f"/meetings/room/{meeting}/papers/minutes")
    chair.locator("[data-act=change]").click()
    chair.locator("textarea[name=minute]").fill("今晚 19 时起全员上堤。")
    chair.get_by_role("button", name="保存").click()
    expect(chair.locator("[data-minute]")).to_contain_text("今晚 19 时起")
    (text,) = printed(chair, tmp_path / "minutes.pdf")
    assert "村级工作例会" in text
    assert "今晚 19 时起" in text
    # What is on the screen to be clicked is not on the paper.
    assert "记入纪要" not in text
    assert "打印" not in text
    tab(chair, "files")
    expect(chair.locator("[data-file]")).to_have_count(1)
    expect(chair.locator("[data-act=add]")).to_have_count(0)
    chair.locator("[data-file] [data-act=remove]").click()
    chair.locator(".el-message-box__btns .el-button--primary").click()
    expect(chair.locator("[data-file]")).to_have_count(0)


def test_all_sites_are_asked_to_test_and_what_they_find_comes_in(
    console: Any, meeting: str, township: Township, sit: Sit
) -> None:
    village = sit("双桥村")
    village.goto("/meetings/site")
    village.locator("[data-act=refuse]").click(timeout=JOINED_MS)
    expect(village.locator("[data-phase=standing_by]")).to_be_visible()
    board = sit()
    board.goto(f"/meetings/room/{meeting}/rehearsal")
    row = board.locator(f"[data-site={township.villages['双桥村']}]")
    expect(row.locator("[data-part=microphone]")).to_have_attribute("data-finding", "none")
    # Nobody's microphone opens by it: somebody there begins.
    board.locator("[data-act=ask]").click()
    expect(row).to_have_attribute("data-waits", "true")
    expect(village.locator("[data-act=test]")).to_be_visible(timeout=JOINED_MS)
    expect(village.locator("video")).to_have_count(0)
    village.locator("[data-act=test]").click()
    network = village.locator("[data-part=network]")
    expect(network).to_have_attribute("data-result", "ok", timeout=JOINED_MS)
    expect(network).to_contain_text(re.compile(r"声音和图像都能通，往返 \d+ 毫秒"))
    village.locator("[data-part=loudspeaker] .gs-link").click()
    village.get_by_role("button", name="是", exact=True).click(timeout=JOINED_MS)
    for part in ("microphone", "camera", "speaker", "network"):
        cell = row.locator(f"[data-part={part}]")
        expect(cell).to_have_attribute("data-finding", "good", timeout=JOINED_MS)
    expect(row).to_have_attribute("data-standing", "good")
    expect(board.locator(".progress[data-answered='1'][data-asked='2']")).to_be_visible()
    board.locator("[data-shows=waiting]").click()
    expect(board.locator("[data-site]")).to_have_count(1)
    expect(board.locator("[data-site]")).to_contain_text("团山村")


def test_an_answer_that_is_lost_on_the_way_is_given_again(
    console: Any, meeting: str, sit: Sit
) -> None:
    chair, village = sit(), sit("双桥村")
    lost: list[str | bytes] = []

    def a_bad_line(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def up(message: str | bytes) -> None:
            if "answer_call" in str(message) and not lost:
                lost.append(message)
            else:
                server.send(message)

        socket.on_message(up)

    village.route_web_socket(re.compile(r"/meeting\?ticket="), a_bad_line)
    enter(chair, meeting, microphone=False)
    enter(village, meeting, microphone=False)
    chair.locator("[data-act=roll_call]").click()
    chair.locator(".board [data-act=begin]").click()
    chair.locator(".board [data-act=next]").click()
    answer = village.locator("[data-act=answer_call]")
    answer.click(timeout=JOINED_MS)
    # The question stays until the gateway has the answer.
    expect(answer).to_have_text("正在答到…")
    expect(answer).to_have_count(0, timeout=JOINED_MS)
    assert lost
    row = chair.locator(".board .rows li", has_text="双桥村")
    expect(row).to_have_attribute("data-state", "present", timeout=JOINED_MS)


def test_what_is_written_is_told_by_the_room_and_fetched_by_nobody(meeting: str, sit: Sit) -> None:
    chair, village = sit(), sit("双桥村")
    asked: list[str] = []
    village.on(
        "request",
        lambda one: (
            asked.append(one.url) if "/messages" in one.url and one.method == "GET" else None
        ),
    )
    for page in (chair, village):
        enter(page, meeting, microphone=False)
    chair.locator("[data-act=chat]").click()
    field = chair.locator("textarea[name=message]")
    field.fill("上堤前先清点人数")
    field.press("Enter")
    expect(village.locator("[data-act=chat] .badge")).to_have_text("1", timeout=JOINED_MS)
    assert asked == []
    # Who looks is told what was said before, once.
    village.locator("[data-act=chat]").click()
    expect(village.locator(".messages p")).to_have_text(["上堤前先清点人数"])
    field.fill("每两小时一报")
    field.press("Enter")
    expect(village.locator(".messages p")).to_have_text(["上堤前先清点人数", "每两小时一报"])
    assert len(asked) == 1
