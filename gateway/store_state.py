"""What the store can do, what is missing, and what follows: for log, system page and terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.retention import camera_days
from gateway.settings import Settings
from recorder.stores import Store, StoreError
from recorder.stores.capabilities import Capability, ProbedStore
from recorder.stores.lifecycle import LifecycleRules, LifecycleStore
from recorder.tables import held_ranges


@dataclass(frozen=True, slots=True)
class StoreState:
    """``problem``: why it cannot be looked at, None when it answers. ``rules`` is None where it has
    none to tell of; ``rules_problem``: what is wrong with them.
    """

    kind: Literal["directory", "s3"]
    place: str
    problem: str | None
    capabilities: tuple[Capability, ...] = ()
    rules: LifecycleRules | None = None
    rules_problem: str | None = None

    @property
    def troubles(self) -> list[str]:
        """What is wrong, and what is missing with what follows from it; for a log."""
        told = [one for one in (self.problem, self.rules_problem) if one]
        return [*told, *(one.line for one in self.capabilities if one.missed)]

    @property
    def lines(self) -> list[str]:
        """Everything, the troubles first; for a terminal."""
        return [*self.troubles, *(one.line for one in self.capabilities if not one.missed)]

    def document(self) -> dict[str, Any]:
        """As the API gives it."""
        return {
            "kind": self.kind,
            "place": self.place,
            "problem": self.problem,
            "rules_problem": self.rules_problem,
            "capabilities": [
                {"name": one.name, "offered": one.offered, "detail": one.detail}
                for one in self.capabilities
            ],
        }


async def look_at_store(settings: Settings, store: Store, longest: float) -> StoreState:
    """Try what it can do; ``longest``: for so many days footage must be kept."""
    configured = settings.store
    kind = configured.kind
    place = (
        str(settings.store_directory)
        if kind == "directory"
        else f"s3://{configured.endpoint}/{configured.bucket}"
    )
    try:
        if not isinstance(store, ProbedStore):
            await store.check()
            return StoreState(kind, place, None)
        capabilities = tuple(await store.probe())
        rules = None
        if isinstance(store, LifecycleStore) and _offered(capabilities, "lifecycle"):
            rules = await store.lifecycle()
    except StoreError as error:
        return StoreState(kind, place, str(error))
    except TimeoutError:
        return StoreState(kind, place, "the store does not answer in time")
    return StoreState(kind, place, None, capabilities, rules, rules_problem(rules, longest))


def rules_problem(rules: LifecycleRules | None, longest: float) -> str | None:
    """What is wrong with a bucket's rules where footage is kept for so many days."""
    if rules is None or rules.deletes_after_days is None or rules.deletes_after_days > longest:
        return None
    return (
        f"a lifecycle rule of the bucket deletes objects after {rules.deletes_after_days} days, "
        f"and footage must be kept for {longest:g}: take the rule away"
    )


async def longest_days(connection: AsyncConnection, settings: Settings) -> float:
    """How long the camera that keeps its footage longest does."""
    return max([float(settings.retention.days), *(await camera_days(connection)).values()])


async def count_holds(connection: AsyncConnection) -> int:
    """How many ranges are held."""
    counted = await connection.execute(sa.select(sa.func.count()).select_from(held_ranges))
    return int(counted.scalar_one())


def _offered(capabilities: tuple[Capability, ...], name: str) -> bool:
    return any(one.name == name and one.offered for one in capabilities)
