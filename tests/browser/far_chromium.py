"""Chromium on another machine: in a network namespace, with settings of an administrator."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Playwright

from tests.peers.far_network import FarNetwork

# From here Chromium reads what an administrator has set.
_POLICIES = "/etc/chromium/policies/managed"
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
]


def launch_far_chromium(
    driver: Playwright,
    network: FarNetwork,
    folder: Path,
    authorities: Sequence[bytes],
    *arguments: str,
) -> Browser:
    """Start it there, trusting these authorities (DER). ``folder`` is empty, and its own."""
    policy = folder / "policy.json"
    trusted = [base64.b64encode(one).decode() for one in authorities]
    policy.write_text(json.dumps({"CACertificates": trusted}))
    # A mount of its own, so that only this browser sees these settings.
    inside = (
        f"mount -t tmpfs none /etc/chromium && mkdir -p {_POLICIES} && "
        f'cp {shlex.quote(str(policy))} {_POLICIES}/ && exec /usr/bin/chromium "$@"'
    )
    script = folder / "chromium"
    script.write_text(
        f"#!/bin/sh\nexec ip netns exec {network.namespace} "
        f'unshare --mount sh -c {shlex.quote(inside)} chromium "$@"\n'
    )
    script.chmod(0o755)
    return driver.chromium.launch(executable_path=str(script), args=[*_ARGUMENTS, *arguments])
