"""Who steers, held against who may: a sign-out or a right that went ends a holding within 5 s."""

from __future__ import annotations

import contextlib

from gateway.api.services import Services
from gateway.api.steering_states import SIGNALLING
from gateway.cameras import read_places
from gateway.control.channel import ControlError
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.people.authorize import rights_of
from gateway.people.grants import grants_of
from gateway.people.living_tokens import living_tokens
from gateway.people.roles import Right


async def withdraw_steering(services: Services) -> list[str]:
    """End what is not permitted any more; gives the ids of those cameras."""
    held = {
        camera_id: state["holder"]
        for camera_id, state in services.steering.all().items()
        if state["holder"] is not None and state["holder"]["user_id"] is not None
    }
    if not held:
        return []
    async with services.reader.connect() as connection:
        grants = await grants_of(connection, {one["user_id"] for one in held.values()})
        places = await read_places(connection, cameras.c.id.in_(held))
        living = await living_tokens(connection, {one["token_hash"] for one in held.values()})
    at_us = now_us()
    ended = []
    for camera_id, holder in held.items():
        place = places.get(camera_id)
        scopes = living.get(holder["token_hash"])
        rights = rights_of(
            one
            for one in grants.get(holder["user_id"], ())
            if place is not None and one.in_force(at_us) and one.covers(place)
        )
        if (
            holder["token_hash"] in living
            and Right.PTZ in rights
            and (scopes is None or Right.PTZ in scopes)
        ):
            continue
        ended.append(camera_id)
        # A signalling process that is away holds nothing when it is back.
        with contextlib.suppress(ConnectionError, TimeoutError, ControlError):
            await services.processes.client(SIGNALLING).call(
                "ptz.end",
                camera_id=camera_id,
                cause="withdrawn",
                token_hash=holder["token_hash"],
            )
    return ended
