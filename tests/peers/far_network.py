"""A second machine: a network namespace of its own, joined to ours by a pair of virtual links."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

# Of the block for tests between networks (RFC 2544), which nothing real uses.
_OURS, _THEIRS = "198.18.{}.1", "198.18.{}.2"


def ip(*arguments: str) -> None:
    """``ip(8)``; raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass(frozen=True, slots=True)
class FarNetwork:
    """``namespace`` reaches us at ``ours`` over ``link``, and is ``theirs``."""

    namespace: str
    link: str
    ours: str
    theirs: str

    def close_udp(self) -> None:
        """From now on nothing leaves it by UDP, as in many an office."""
        ip("-n", self.namespace, "rule", "add", "pref", "10", "ipproto", "udp", "prohibit")


@contextlib.contextmanager
def far_network() -> Iterator[FarNetwork]:
    """Make one, and take it away. Skips the test where that is not allowed."""
    mark = secrets.token_hex(3)
    namespace, link = f"gs-{mark}", f"gs{mark}"
    subnet = secrets.randbelow(250)
    ours, theirs = _OURS.format(subnet), _THEIRS.format(subnet)
    try:
        ip("netns", "add", namespace)
    except FileNotFoundError:
        pytest.skip("needs iproute2")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
    try:
        try:
            ip("link", "add", link, "type", "veth", "peer", "name", "far0", "netns", namespace)
            ip("addr", "add", f"{ours}/24", "dev", link)
            ip("link", "set", link, "up")
            ip("-n", namespace, "addr", "add", f"{theirs}/24", "dev", "far0")
            ip("-n", namespace, "link", "set", "far0", "up")
            ip("-n", namespace, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"virtual links cannot be made here: {error.stderr.strip()}")
        yield FarNetwork(namespace, link, ours, theirs)
    finally:
        # Deleting the namespace would take the link along, but some time later.
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", link)
        ip("netns", "del", namespace)
