"""A message as a person reads it in their mail: Chinese, and below it all that was said. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from gateway.outbox.accounts import MailAccount
from gateway.outbox.message import Message

# Mail says the time in its zone; the county has one.
_BEIJING = timezone(timedelta(hours=8))
_SUBJECT_LENGTH = 150
_TITLES = {
    "test": "测试消息", "alarm.notice": "报警", "alarm.opened": "报警", "alarm.closed": "报警解除",
    "alarm.digest": "报警汇总",
}  # fmt: skip
_LINES = {
    "rule": "规则", "kind": "类型", "subject": "对象", "title": "标题", "number": "编号",
    "priority": "级别", "step": "步骤", "words": "说明", "count": "数量", "by": "发送人",
}  # fmt: skip


def mail_of(account: MailAccount, message: Message) -> EmailMessage:
    """What is sent. Its Message-ID is the message's own: what comes twice can be told."""
    mail = EmailMessage()
    domain = account.sender.rpartition("@")[2]
    mail["Subject"] = _plain(f"[视频网关] {subject_of(message.kind, message.body)}")
    mail["From"] = Address("视频网关", addr_spec=account.sender)
    mail["To"] = ", ".join(account.recipients)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text_of(message))
    return mail


def subject_of(kind: str, body: Mapping[str, Any]) -> str:
    """What it is about, in one line."""
    family = "事件" if kind.startswith("incident.") else kind
    about = [body.get("number"), body.get("title") or body.get("rule"), body.get("subject")]
    said = [str(one) for one in about if one not in (None, "")]
    return " ".join([_TITLES.get(kind, family), *said])


def text_of(message: Message) -> str:
    """What is known of it line by line, then the document as other systems get it."""
    at = message.at.astimezone(_BEIJING)
    lines = [subject_of(message.kind, message.body), f"时间：{at:%Y-%m-%d %H:%M:%S}（北京时间）"]
    for name, called in _LINES.items():
        value = message.body.get(name)
        if isinstance(value, str | int) and value != "":
            lines.append(f"{called}：{value}")
    document = json.dumps(
        {"id": message.id, "type": message.kind, "data": message.body},
        ensure_ascii=False,
        indent=1,
    )
    return "\n".join([*lines, "", document, ""])


def _plain(text: str) -> str:
    """In one line, so that no words of anybody's become a header."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(shown.split())[:_SUBJECT_LENGTH]
