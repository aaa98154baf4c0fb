"""Where a process answers the others: its Unix socket, and a TCP port if other machines are there.

``cluster.listen_address`` decides. Unset, nothing listens beyond this machine.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from gateway.control.address import watch_for_silence
from gateway.control.channel import ControlServer, Handler, control_path
from gateway.control.machine_tls import server_context
from gateway.settings import Settings


def control_server(
    settings: Settings, name: str, secret: bytes, handlers: Mapping[str, Handler]
) -> ControlServer:
    """The control server of process ``name``, not yet started."""
    path = control_path(settings, name)
    if settings.cluster.listen_address is None:
        return ControlServer(path, secret, handlers)
    return ControlServer(
        path,
        secret,
        handlers,
        tls=server_context(secret, name),
        open_port=lambda: listen_for_machines(settings),
    )


def listen_for_machines(settings: Settings) -> socket.socket:
    """A listening socket on the first free port of ``cluster.control_ports``. Raises OSError."""
    address = settings.cluster.listen_address
    assert address is not None
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    last: OSError | None = None
    for port in settings.cluster.port_range:
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address, port))
            # Binding does not tell that another listens there already; this does.
            listening.listen(128)
            # What is accepted inherits it.
            watch_for_silence(listening)
        except OSError as error:
            listening.close()
            last = error
            continue
        listening.setblocking(False)
        return listening
    raise OSError(
        f"no port for the control channel on {address}: {last}; see cluster.listen_address and "
        "cluster.control_ports"
    )
