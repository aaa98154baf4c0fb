"""What channels need beside their address: accounts of e-mail and MQTT, without their passwords."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

MAIL_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII)
"""Of letters that every mail server takes."""


@dataclass(frozen=True, slots=True)
class MailAccount:
    """Whose account it is (None: the server asks for none), from whom mail comes and to whom."""

    username: str | None
    sender: str
    recipients: tuple[str, ...]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> MailAccount:
        """As it is kept in a row."""
        return cls(options["username"], options["sender"], tuple(options["recipients"]))

    def options(self) -> dict[str, Any]:
        """To keep in a row."""
        return {**asdict(self), "recipients": list(self.recipients)}


@dataclass(frozen=True, slots=True)
class MqttAccount:
    """Whose account it is (None: the broker asks for none), and below which topic is published."""

    username: str | None
    topic: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> MqttAccount:
        """As it is kept in a row."""
        return cls(options["username"], options["topic"])

    def options(self) -> dict[str, Any]:
        """To keep in a row."""
        return asdict(self)


def bad_mail_address(addresses: Sequence[str]) -> str | None:
    """The first of them that is no mail address."""
    return next((one for one in addresses if not MAIL_ADDRESS.fullmatch(one)), None)


def is_topic(topic: str) -> bool:
    """Whether one may publish below it (MQTT 3.1.1 §4.7): no wildcards, not the broker's own."""
    return (
        bool(topic)
        and topic.isprintable()
        and not topic.startswith(("$", "/"))
        and not topic.endswith("/")
        and not any(one in topic for one in "+#")
        and len(topic.encode()) <= 400
    )
