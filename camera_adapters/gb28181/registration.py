"""How a lower platform keeps itself registered above (GB/T 28181-2016 §9.1, §9.6). Sans-IO.

:meth:`Registration.action` says what to send next, :meth:`Registration.deadline_s` when to ask
again; the outcome of each is told. Times are seconds of any steady clock.
"""

from __future__ import annotations

from typing import Literal

RegistrationState = Literal["connecting", "online", "offline", "refused"]
Action = Literal["register", "keepalive"]

MISSED_LIMIT = 3
_FIRST_RETRY_S = 5.0
_RETRY_LIMIT_S = 300.0
# An account that was refused is tried seldom: some platforms lock it, and nothing changes by haste.
_REFUSED_RETRY_S = 120.0
_KEEPALIVE_RETRY_S = 5.0
_REFRESH_BEFORE_S = 60.0


class Registration:
    """One registration. ``spread`` (0…1) sets it apart from the others that lost the same
    platform, so that they do not come back in one moment.
    """

    def __init__(
        self, now_s: float, *, expires_s: float, keepalive_s: float, spread: float = 0.0
    ) -> None:
        self.state: RegistrationState = "connecting"
        self.fault = ""
        # When it ends unless it is refreshed; None while there is none.
        self.expires_at_s: float | None = None
        self._expires_s = expires_s
        self._keepalive_s = keepalive_s
        self._spread = spread
        self._retry_s = _FIRST_RETRY_S
        self._register_at_s = now_s
        self._keepalive_at_s: float | None = None
        self._missed = 0

    def action(self, now_s: float) -> Action | None:
        """What is due. The caller sends it, and tells how it went before it asks again."""
        if now_s >= self._register_at_s:
            return "register"
        if self._keepalive_at_s is not None and now_s >= self._keepalive_at_s:
            return "keepalive"
        return None

    def deadline_s(self) -> float:
        """When :meth:`action` will have something to say."""
        if self._keepalive_at_s is None:
            return self._register_at_s
        return min(self._register_at_s, self._keepalive_at_s)

    def registered(self, now_s: float, expires_s: float | None = None) -> None:
        """REGISTER was accepted, for as long as the other side said (§9.1.2)."""
        lasts_s = expires_s if expires_s and expires_s > 0 else self._expires_s
        self.state, self.fault = "online", ""
        self.expires_at_s = now_s + lasts_s
        self._retry_s = _FIRST_RETRY_S
        self._register_at_s = now_s + max(lasts_s / 2, lasts_s - _REFRESH_BEFORE_S)
        self._missed = 0
        self._keepalive_at_s = now_s + self._keepalive_s

    def refused(self, now_s: float, status: int) -> None:
        """REGISTER was answered with a refusal."""
        if status in (401, 403, 404, 407):
            fault = {404: "unknown_code"}.get(status, "wrong_password")
            self._lose(now_s, "refused", fault, _REFUSED_RETRY_S)
        else:
            self._lose(now_s, "offline", f"status_{status}", self._next_retry_s())

    def unanswered(self, now_s: float) -> None:
        """REGISTER had no answer."""
        still = self.expires_at_s is not None and now_s < self.expires_at_s
        if still and self.state == "online":
            # A refresh may be lost; keepalives tell whether the platform lives.
            self._register_at_s = now_s + self._next_retry_s()
            return
        self._lose(now_s, "offline", "no_answer", self._next_retry_s())

    def kept_alive(self, now_s: float) -> None:
        """The keepalive was answered."""
        self._missed = 0
        self._keepalive_at_s = now_s + self._keepalive_s

    def keepalive_failed(self, now_s: float, status: int | None) -> None:
        """The keepalive had no answer (None) or a refusal: the platform may have been restarted
        and know us no more, so that a refusal registers anew at once.
        """
        if status is not None:
            self._keepalive_at_s = None
            self._register_at_s = now_s
            return
        self._missed += 1
        if self._missed >= MISSED_LIMIT:
            self._lose(now_s, "offline", "keepalive_lost", 0.0)
            return
        self._keepalive_at_s = now_s + min(_KEEPALIVE_RETRY_S, self._keepalive_s)

    def _lose(self, now_s: float, state: RegistrationState, fault: str, retry_s: float) -> None:
        self.state, self.fault = state, fault
        self.expires_at_s = None
        self._keepalive_at_s = None
        self._missed = 0
        self._register_at_s = now_s + retry_s * (1 + self._spread / 2)

    def _next_retry_s(self) -> float:
        retry_s = self._retry_s
        self._retry_s = min(_RETRY_LIMIT_S, retry_s * 2)
        return retry_s
