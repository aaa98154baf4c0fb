"""``gridsight evidence``: packages checked on any machine, and the keys that others check with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.evidence.keys import PackageSigner, PublicKey, TrustedKeys
from gateway.evidence.verify import EvidenceReport, verify_package
from gateway.secrets import cluster_secret
from gateway.settings import Settings

Say = Callable[[str], None]


def own_keys(settings: Settings) -> list[PublicKey]:
    """The keys of this gateway. Raises KeyFault, OSError."""
    signer = PackageSigner.open(cluster_secret(settings), settings.evidence.sm2_key_file)
    return signer.public_keys()


def verify_file(path: Path, keys: Sequence[str], say: Say) -> EvidenceReport:
    """Check a package, and say what it is. Raises KeyFault, OSError."""
    report = verify_package(path, TrustedKeys.of(keys), say)
    # What no trusted key has signed is not told as a fact, nor of any certain form.
    if report.signed_by:
        for line in _summary(report.manifest):
            say(line)
    for key in report.signed_by:
        say(f"signed ({key.algorithm}) by a key that you trust: {key.fingerprint}")
    for key in report.also_signed_by:
        say(f"signed ({key.algorithm}) by another key: {key.fingerprint}")
    return report


def _summary(manifest: dict[str, Any]) -> list[str]:
    offset = timedelta(minutes=manifest["utc_offset_minutes"])

    def time(at_us: int) -> str:
        local = datetime.fromtimestamp(at_us / 1e6, UTC) + offset
        return f"{local:%Y-%m-%d %H:%M:%S}"

    who, reason = manifest["requested_by"], manifest["reason"]
    lines = [
        f"export {manifest['export_id']} by {who['display_name']} ({who['name']}), "
        f"{time(manifest['created_us'])}",
        "reason: " + (" ".join(str(one) for one in reason.values() if one) or "none given"),
    ]
    if manifest["case"]:
        lines.append(f"case: {manifest['case']['number']} {manifest['case']['title']}")
    for camera in manifest["cameras"]:
        lines.append(f"camera: {' / '.join([*camera['area'], camera['name']])}")
        lines += [
            f"  missing: {time(gap['start_us'])} to {time(gap['end_us'])} ({gap['cause']})"
            for gap in camera["gaps"]
        ]
        lines += [
            f"  its clock was off by {one['offset_us'] / 1e6:g} s from {time(one['since_us'])}"
            for one in camera["clock_offsets"]
        ]
        lines += [
            f"  segment {one['id']} was not what had been recorded when it was exported"
            for one in camera["segments"]
            if one["as_recorded"] is False
        ]
    return lines
