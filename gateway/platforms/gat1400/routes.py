"""Which interface of GA/T 1400.4 is answered where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from camera_adapters.gat1400.codes import Status
from camera_adapters.gat1400.objects import BY_RESOURCE
from gateway.platforms.gat1400 import serving, system, taking
from gateway.platforms.gat1400.listener import Handler, Incoming, Refused

if TYPE_CHECKING:
    from gateway.platforms.gat1400.hub import Hub

_Route = Callable[["Hub", Incoming], Any]

_SYSTEM: Mapping[tuple[str, str], _Route] = {
    ("POST", "register"): system.register,
    ("POST", "unregister"): system.unregister,
    ("POST", "keepalive"): system.keepalive,
    ("GET", "time"): system.tell_time,
}
_RESOURCES: Mapping[tuple[str, str], _Route] = {
    **{("POST", name.lower()): taking.take_objects for name in BY_RESOURCE},
    **{("GET", name.lower()): serving.find_objects for name in BY_RESOURCE},
    ("POST", "faces"): taking.refuse_faces,
    ("POST", "dispositions"): taking.refuse_dispositions,
    ("POST", "subscribenotifications"): taking.take_notifications,
    ("POST", "apes"): taking.take_devices,
    ("POST", "tollgates"): taking.take_devices,
    ("GET", "apes"): serving.list_devices,
    ("POST", "subscribes"): serving.subscribe,
    ("PUT", "subscribes"): serving.subscribe,
    ("GET", "subscribes"): serving.list_subscriptions,
    ("DELETE", "subscribes"): serving.unsubscribe,
}
_NAMES = {name.lower(): name for name in BY_RESOURCE}


def resource_of(incoming: Incoming) -> str:
    """The resource as the standard writes it."""
    name = incoming.parts[0]
    return _NAMES.get(name.lower(), name)


def find_route(hub: Hub, incoming: Incoming) -> Handler:
    """Who answers. Raises Refused."""
    parts = tuple(part.lower() for part in incoming.parts)
    if parts[:1] == ("system",) and len(parts) == 2:
        route = _SYSTEM.get((incoming.method, parts[1]))
        known = any(name == parts[1] for _, name in _SYSTEM)
    else:
        name = parts[0] if parts else ""
        route = _RESOURCES.get((incoming.method, name))
        known = any(one == name for _, one in _RESOURCES)
        if len(parts) > 2:
            route, known = None, False
    if route is not None:
        return partial(route, hub)
    if known:
        raise Refused(405, Status.INVALID_OPERATION, f"{incoming.method} is not served here")
    raise Refused(404, Status.INVALID_OPERATION, "there is no such interface here")
