"""A device on the network as another library publishes it: WS-Discovery alone, nothing behind it.

``python wsdiscovery_device.py ADDRESS`` prints ``ready``, and answers probes until it is ended.
"""

from __future__ import annotations

import sys
import time

from wsdiscovery import QName, Scope
from wsdiscovery.publishing import ThreadedWSPublishing


def main() -> None:
    """Serve until ended."""
    publishing = ThreadedWSPublishing()
    publishing.start()
    publishing.publishService(
        types=[QName("http://www.onvif.org/ver10/network/wsdl", "NetworkVideoTransmitter")],
        scopes=[
            Scope("onvif://www.onvif.org/name/%E6%A1%A5%E5%A4%B4"),
            Scope("onvif://www.onvif.org/hardware/DH-IPC"),
        ],
        xAddrs=[f"http://{sys.argv[1]}:8899/onvif/device_service"],
    )
    print("ready", flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
