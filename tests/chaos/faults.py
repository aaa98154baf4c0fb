"""What goes wrong: each fault does its harm, lasts a while, and takes it back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import signal
from collections.abc import Awaitable, Callable

import psutil

from tests.chaos.machines import County, Machine

_MORE_BYTES = 1 << 20
# How long a process that has lost its Ray may take to end.
_UNIT_S = 5.0

KINDS = ("shard", "writer", "api", "footage", "transcoder", "signalling")

Fault = Callable[[County, Machine, random.Random], Awaitable[None]]


def killed(kind: str) -> Fault:
    """A process of the machine is killed; its supervisor starts another."""

    async def fault(county: County, machine: Machine, chance: random.Random) -> None:
        if one := machine.child(kind):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    return fault


async def frozen_shard(county: County, machine: Machine, chance: random.Random) -> None:
    """It stands still, perhaps long enough to be given up, and goes on as if nothing were."""
    shard = machine.child("shard")
    if shard is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        shard.suspend()
        await asyncio.sleep(chance.uniform(1, 9))
        shard.resume()


async def power_cut(county: County, machine: Machine, chance: random.Random) -> None:
    await machine.lose_power()
    await asyncio.sleep(chance.uniform(0, 8))
    await machine.start()


async def stopped_and_started(county: County, machine: Machine, chance: random.Random) -> None:
    """As for an upgrade, by somebody who did not drain it first."""
    await machine.stop()
    await machine.start()


async def ray_node_killed(county: County, machine: Machine, chance: random.Random) -> None:
    """Ray ends on one machine, and with it all that it runs there; `gridsight serve` may end too,
    and is started again as by its unit.
    """
    assert machine.ray is not None and machine.process is not None
    await machine.ray.kill()
    await asyncio.sleep(chance.uniform(0, 8))
    await machine.ray.start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_UNIT_S):
            await machine.process.wait()
    if machine.process.returncode is not None:
        await machine.start()


async def ray_head_killed(county: County, machine: Machine, chance: random.Random) -> None:
    assert county.ray is not None
    await county.ray.head.kill()
    await asyncio.sleep(chance.uniform(0, 10))
    await county.ray.head.start()


async def ray_actor_killed(county: County, machine: Machine, chance: random.Random) -> None:
    """And the process that it keeps running, by the kernel's doing."""
    child = machine.child(chance.choice(KINDS))
    with contextlib.suppress(psutil.NoSuchProcess):
        actor = None if child is None else child.parent()
        if actor is not None:
            actor.kill()


async def database_crash(county: County, machine: Machine, chance: random.Random) -> None:
    await asyncio.to_thread(county.postgresql.stop, signal.SIGQUIT)
    await asyncio.sleep(chance.uniform(0, 5))
    await asyncio.to_thread(county.postgresql.start)


async def database_cut_off(county: County, machine: Machine, chance: random.Random) -> None:
    """For one machine, while the other goes on."""
    await machine.database.refuse()
    await asyncio.sleep(chance.uniform(1, 9))
    await machine.database.accept()


async def database_hangs(county: County, machine: Machine, chance: random.Random) -> None:
    """Packets get lost without a word."""
    machine.database.mood = "hang"
    await machine.database.drop()
    await asyncio.sleep(chance.uniform(1, 9))
    machine.database.mood = "pass"
    await machine.database.drop()


async def slow_database_link(county: County, machine: Machine, chance: random.Random) -> None:
    machine.database.bytes_per_s = chance.uniform(20_000, 100_000)
    await asyncio.sleep(chance.uniform(3, 9))
    machine.database.bytes_per_s = None


async def store_away(county: County, machine: Machine, chance: random.Random) -> None:
    for one in county.machines:
        await one.store.refuse()
    await asyncio.sleep(chance.uniform(3, 12))
    for one in county.machines:
        await one.store.accept()


async def store_fails(county: County, machine: Machine, chance: random.Random) -> None:
    machine.store.mood = chance.choice(["error_500", "error_507", "slow_down", "reset", "hang"])
    await machine.store.drop()
    await asyncio.sleep(chance.uniform(3, 9))
    machine.store.mood = "pass"
    await machine.store.drop()


async def slow_store_link(county: County, machine: Machine, chance: random.Random) -> None:
    machine.store.bytes_per_s = chance.uniform(5_000, 50_000)
    await asyncio.sleep(chance.uniform(3, 9))
    machine.store.bytes_per_s = None


async def cameras_cut_off(county: County, machine: Machine, chance: random.Random) -> None:
    await county.cameras.refuse()
    await asyncio.sleep(chance.uniform(0, 5))
    await county.cameras.accept()


async def full_disk(county: County, machine: Machine, chance: random.Random) -> None:
    """Not a byte is left, and somebody makes room after a while."""
    if machine.disk is None:
        return
    ballast = machine.disk / "ballast"

    def fill() -> None:
        with ballast.open("ab") as file:
            size = 0
            for step in (64 * _MORE_BYTES, _MORE_BYTES, 4096):
                try:
                    while True:
                        os.posix_fallocate(file.fileno(), size, step)
                        size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    try:
        for _ in range(chance.randrange(2, 10)):
            await asyncio.to_thread(fill)
            await asyncio.sleep(1)
    finally:
        ballast.unlink(missing_ok=True)


FAULTS: dict[str, Fault] = {
    **{f"{kind} killed": killed(kind) for kind in KINDS},
    "shard frozen": frozen_shard,
    "power cut": power_cut,
    "stopped and started": stopped_and_started,
    "database crash": database_crash,
    "database cut off": database_cut_off,
    "database hangs": database_hangs,
    "slow database link": slow_database_link,
    "store away": store_away,
    "store fails": store_fails,
    "slow store link": slow_store_link,
    "cameras cut off": cameras_cut_off,
    "full disk": full_disk,
}

RAY_FAULTS: dict[str, Fault] = {
    "ray node killed": ray_node_killed,
    "ray head killed": ray_head_killed,
    "ray actor killed": ray_actor_killed,
}
