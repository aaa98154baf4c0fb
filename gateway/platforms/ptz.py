"""Who steers a camera: priority, lock, letting go. Sans IO: the time is passed in, what is to be
done comes out as :data:`Effect`.

A camera has one holder at most. It is taken by a command or by :meth:`Steering.take`, from another
only by a higher priority, and let go when no command came for a while. A moving camera whose
movement is not renewed is stopped: whoever steered it may have lost his network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from gateway.platforms.operations import SteerCommand

HolderKind = Literal["person", "platform", "patrol"]
EndCause = Literal[
    "released", "idle", "taken_over", "released_by_other", "withdrawn", "stopped", "restarted"
]

PATROL_PRIORITY = 0
# These go on until they are stopped.
_LASTING = frozenset({"move", "focus", "iris"})


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a camera, or wants to. ``kind`` and ``id`` say whether two are the same.

    ``id``: of the account, of the platform above, of the patrol. ``priority``: 1–100, 0 of a
    patrol. ``user_id`` and ``address`` are for the register, ``token_hash`` for ending it with the
    sign-in; a platform or patrol has none.
    """

    kind: HolderKind
    id: str
    name: str
    display_name: str
    priority: int
    user_id: str | None = None
    address: str | None = None
    token_hash: str | None = None

    def is_same(self, other: Holder) -> bool:
        """Whether both are one, whatever their priority is by now."""
        return (self.kind, self.id) == (other.kind, other.id)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Holder:
        """From the control channel or a row. Raises TypeError for unknown fields."""
        return cls(**message)

    def to_message(self) -> dict[str, Any]:
        """For the control channel or a row."""
        return asdict(self)


class Held(Exception):
    """Another holds the camera, with no lower priority."""

    def __init__(self, holding: Holding) -> None:
        super().__init__(f"{holding.holder.display_name or holding.holder.name} steers this camera")
        self.holding = holding


@dataclass(frozen=True, slots=True)
class Holding:
    """A holder's time with a camera. ``until_us``: when it ends if nothing comes.

    ``moving_until_us``: when the camera is stopped unless the movement is renewed; None while it
    stands.
    """

    holder: Holder
    since_us: int
    until_us: int
    moving_until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """A holding begins: it is on record before anything else is done."""

    camera_id: str
    holding: Holding


@dataclass(frozen=True, slots=True)
class Ended:
    """A holding is over; ``by`` whom, where another ended it."""

    camera_id: str
    holding: Holding
    end_us: int
    cause: EndCause
    by: Holder | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """A command for the camera. ``must``: it is tried again until it arrives."""

    camera_id: str
    command: SteerCommand
    must: bool = False


Effect = Began | Ended | Send


class Steering:
    """All cameras of one process. Every method gives the effects in the order in which they are to
    happen, and the camera's state is already the new one.
    """

    def __init__(self, *, idle_us: int, move_us: int) -> None:
        self._idle_us = idle_us
        self._move_us = move_us
        self._holdings: dict[str, Holding] = {}

    @property
    def holdings(self) -> Mapping[str, Holding]:
        """By camera."""
        return self._holdings

    def may_take(self, camera_id: str, holder: Holder) -> bool:
        """Whether :meth:`take` would succeed."""
        holding = self._holdings.get(camera_id)
        return (
            holding is None
            or holding.holder.is_same(holder)
            or holder.priority > holding.holder.priority
        )

    def take(
        self, camera_id: str, holder: Holder, now_us: int, *, hold_us: int = 0
    ) -> list[Effect]:
        """Hold the camera, for ``hold_us`` even without commands. Raises Held."""
        effects: list[Effect] = []
        holding = self._holdings.get(camera_id)
        if not self.may_take(camera_id, holder):
            assert holding is not None
            raise Held(holding)
        until_us = now_us + max(self._idle_us, hold_us)
        if holding is not None and holding.holder.is_same(holder):
            self._holdings[camera_id] = replace(
                holding, holder=holder, until_us=max(holding.until_us, until_us)
            )
            return effects
        if holding is not None:
            effects += self._end(camera_id, now_us, "taken_over", holder)
        taken = Holding(holder, now_us, until_us)
        self._holdings[camera_id] = taken
        effects.append(Began(camera_id, taken))
        return effects

    def command(
        self, camera_id: str, holder: Holder, command: SteerCommand, now_us: int
    ) -> list[Effect]:
        """Take the camera, if need be, and give it a command. Raises Held.

        A stop of what nobody holds begins no holding.
        """
        if command.action == "stop" and camera_id not in self._holdings:
            return [self._stop(camera_id)]
        effects = self.take(camera_id, holder, now_us)
        holding = self._holdings[camera_id]
        moving = now_us + self._move_us if command.action in _LASTING else None
        self._holdings[camera_id] = replace(holding, moving_until_us=moving)
        effects.append(Send(camera_id, command, must=command.action == "stop"))
        return effects

    def release(self, camera_id: str, holder: Holder, now_us: int) -> list[Effect]:
        """Let go. What ``holder`` does not hold needs a higher priority: raises Held."""
        holding = self._holdings.get(camera_id)
        if holding is None:
            return []
        if holding.holder.is_same(holder):
            return self._end(camera_id, now_us, "released")
        if holder.priority <= holding.holder.priority:
            raise Held(holding)
        return self._end(camera_id, now_us, "released_by_other", holder)

    def end(self, camera_id: str, now_us: int, cause: EndCause) -> list[Effect]:
        """Let go, whoever holds it."""
        return self._end(camera_id, now_us, cause) if camera_id in self._holdings else []

    def forget(self, camera_id: str) -> None:
        """What began could not be put on record, so it did not begin."""
        self._holdings.pop(camera_id, None)

    def due(self, now_us: int) -> list[Effect]:
        """Stop what was not renewed, end what is idle. Call it at :meth:`next_due_us`."""
        effects: list[Effect] = []
        for camera_id, holding in tuple(self._holdings.items()):
            if holding.until_us <= now_us:
                effects += self._end(camera_id, now_us, "idle")
            elif holding.moving_until_us is not None and holding.moving_until_us <= now_us:
                effects.append(self._stop(camera_id))
                self._holdings[camera_id] = replace(holding, moving_until_us=None)
        return effects

    def next_due_us(self) -> int | None:
        """When :meth:`due` has something to do; None: not before the next call."""
        times = [
            one.until_us if one.moving_until_us is None else min(one.until_us, one.moving_until_us)
            for one in self._holdings.values()
        ]
        return min(times, default=None)

    def _end(
        self, camera_id: str, now_us: int, cause: EndCause, by: Holder | None = None
    ) -> list[Effect]:
        holding = self._holdings.pop(camera_id)
        effects: list[Effect] = []
        if holding.moving_until_us is not None:
            effects.append(self._stop(camera_id))
        effects.append(Ended(camera_id, holding, max(now_us, holding.since_us), cause, by))
        return effects

    @staticmethod
    def _stop(camera_id: str) -> Send:
        return Send(camera_id, SteerCommand("stop"), must=True)
