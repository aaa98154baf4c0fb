"""Channels as people write them: a webhook, an account of e-mail, an account of MQTT."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from gateway.api.errors import invalid
from gateway.api.forms import Form
from gateway.outbox.accounts import MailAccount, MqttAccount, bad_mail_address, is_topic

Topic = Literal["incidents", "alarms"]
ChannelKind = Literal["webhook", "email", "mqtt"]
_PASSWORD_BYTES = 200
MailAddress = Annotated[str, Field(min_length=3, max_length=200)]


class _AccountForm(Form):
    """``password`` left out: the one that is kept."""

    username: str | None = Field(default=None, min_length=1, max_length=200)
    password: SecretStr | None = Field(default=None, max_length=128)


class MailForm(_AccountForm):
    """An account of a mail server, from whom mail comes and to whom."""

    sender: MailAddress
    recipients: list[MailAddress] = Field(min_length=1, max_length=50)


class MqttForm(_AccountForm):
    """An account of a broker, and below which topic is published."""

    topic: str = Field(min_length=1, max_length=200)


class ChannelForm(Form):
    """A new channel. ``email``, ``mqtt``: of that kind, and then needed."""

    name: str = Field(min_length=1, max_length=100)
    kind: ChannelKind = "webhook"
    address: str = Field(min_length=1, max_length=1000)
    topics: list[Topic] = Field(default=[], max_length=2)
    email: MailForm | None = None
    mqtt: MqttForm | None = None


class ChannelChange(Form):
    """What changes; absent fields stay."""

    name: str = Field(default="", min_length=1, max_length=100)
    address: str = Field(default="", min_length=1, max_length=1000)
    topics: list[Topic] = Field(default=[], max_length=2)
    enabled: bool = True
    email: MailForm | None = None
    mqtt: MqttForm | None = None


def options_of(kind: str, form: ChannelForm | ChannelChange) -> dict[str, Any] | None:
    """The account as it is kept, without its password; None where the form names none. Raises
    ApiError 422 for an account of another kind, and for what no server would take.
    """
    for other in ("email", "mqtt"):
        if other != kind and getattr(form, other) is not None:
            raise invalid(**{other: "this channel is of another kind"})
    if kind == "email" and form.email is not None:
        bad = bad_mail_address([form.email.sender])
        if bad is not None:
            raise invalid(sender=f"this is no mail address: {bad}")
        bad = bad_mail_address(form.email.recipients)
        if bad is not None:
            raise invalid(recipients=f"this is no mail address: {bad}")
        recipients = tuple(dict.fromkeys(form.email.recipients))
        return MailAccount(form.email.username, form.email.sender, recipients).options()
    if kind == "mqtt" and form.mqtt is not None:
        if not is_topic(form.mqtt.topic):
            raise invalid(topic="a topic has no + or #, no $ before it and no / at either end")
        return MqttAccount(form.mqtt.username, form.mqtt.topic).options()
    return None


def password_of(form: ChannelForm | ChannelChange) -> str | None:
    """The password that was sent, if one was. Raises ApiError 422 for one that is too long."""
    account = form.email or form.mqtt
    if account is None or account.password is None:
        return None
    password = account.password.get_secret_value()
    if len(password.encode()) > _PASSWORD_BYTES:
        raise invalid(password=f"a password has {_PASSWORD_BYTES} bytes at most")
    return password
