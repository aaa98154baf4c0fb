"""A second machine: a network namespace of its own, joined to ours by pairs of virtual links."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import pytest

# For tests between networks (RFC 2544): nothing real uses it.
_BLOCK = IPv4Network("198.18.0.0/15")


def ip(*arguments: str) -> None:
    """``ip(8)``; raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass(frozen=True, slots=True)
class FarNetwork:
    """``namespace`` reaches us at ``ours`` over ``far_link``, and is ``theirs``, over ``link``."""

    namespace: str
    link: str
    far_link: str
    ours: str
    theirs: str

    def freeze(self) -> None:
        """From now on nothing passes, and nobody is told: both links stay up.

        Each side takes the other for a network card that is not there, so that its frames leave
        and are taken by nobody.
        """
        nobody = ("lladdr", "02:00:00:00:00:01", "nud", "permanent")
        ip("neigh", "replace", self.theirs, *nobody, "dev", self.link)
        ip("-n", self.namespace, "neigh", "replace", self.ours, *nobody, "dev", self.far_link)

    def thaw(self) -> None:
        """The network is back; both sides remember their old connections."""
        ip("neigh", "del", self.theirs, "dev", self.link)
        ip("-n", self.namespace, "neigh", "del", self.ours, "dev", self.far_link)

    def close_udp(self) -> None:
        """From now on nothing leaves it by UDP, as in many an office."""
        ip("-n", self.namespace, "rule", "add", "pref", "10", "ipproto", "udp", "prohibit")


@contextlib.contextmanager
def far_network() -> Iterator[FarNetwork]:
    """Make one, and take it away. Skips the test where that is not allowed."""
    with contextlib.ExitStack() as stack:
        try:
            namespace = f"gs-{secrets.token_hex(3)}"
            ip("netns", "add", namespace)
        except FileNotFoundError:
            pytest.skip("needs iproute2")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        # Deleting the namespace takes its links along, but some time later.
        stack.callback(ip, "netns", "del", namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        yield stack.enter_context(joined(namespace))


@contextlib.contextmanager
def joined(namespace: str) -> Iterator[FarNetwork]:
    """One more pair of links between a namespace and ours. Skips the test where that is not
    allowed.
    """
    mark = secrets.token_hex(3)
    link, far_link = f"gs{mark}", f"far{mark}"
    subnet = 4 * secrets.randbelow(_BLOCK.num_addresses // 4)
    ours, theirs = str(_BLOCK[subnet + 1]), str(_BLOCK[subnet + 2])
    try:
        try:
            ip("link", "add", link, "type", "veth", "peer", "name", far_link, "netns", namespace)
            ip("addr", "add", f"{ours}/30", "dev", link)
            ip("link", "set", link, "up")
            ip("-n", namespace, "addr", "add", f"{theirs}/30", "dev", far_link)
            ip("-n", namespace, "link", "set", far_link, "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"virtual links cannot be made here: {error.stderr.strip()}")
        yield FarNetwork(namespace, link, far_link, ours, theirs)
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", link)
