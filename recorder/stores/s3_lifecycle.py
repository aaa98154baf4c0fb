"""Our own rules among those of a bucket: a backstop behind the gateway, never its retention.

Rules of others are left as they are. A rule that deletes knows neither holds nor cameras that keep
longer, so it may only stand behind the longest, and goes before the first hold. Everything here
blocks, and raises what the client raises.
"""

from __future__ import annotations

from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import (
    AbortIncompleteMultipartUpload,
    Expiration,
    LifecycleConfig,
    NoncurrentVersionExpiration,
    Rule,
)

UPLOADS_RULE = "gridsight-uploads"
EXPIRY_RULE = "gridsight-expiry"
FOOTAGE_PREFIX = "cam_"  # footage of cameras; meetings, and what was found, have days of their own


def read(client: Minio, bucket: str) -> list[Rule]:
    """All rules of the bucket."""
    found = client.get_bucket_lifecycle(bucket)
    return list(found.rules) if found is not None else []


def change(
    client: Minio, bucket: str, *, upload_days: int | None, expiry_days: int | None
) -> list[Rule]:
    """Have our two rules say this, None: not be there; gives all rules as they are now."""
    rules = [
        rule for rule in read(client, bucket) if rule.rule_id not in (UPLOADS_RULE, EXPIRY_RULE)
    ]
    if upload_days is not None:
        rules.append(
            Rule(
                status=ENABLED,
                rule_id=UPLOADS_RULE,
                rule_filter=Filter(prefix=""),
                abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(upload_days),
            )
        )
    if expiry_days is not None:
        rules.append(
            Rule(
                status=ENABLED,
                rule_id=EXPIRY_RULE,
                rule_filter=Filter(prefix=FOOTAGE_PREFIX),
                expiration=Expiration(days=expiry_days),
                # Where the bucket keeps versions, what expires is only hidden.
                noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=1),
            )
        )
    if rules:
        client.set_bucket_lifecycle(bucket, LifecycleConfig(rules))
    else:
        client.delete_bucket_lifecycle(bucket)
    return read(client, bucket)


def days_of(rules: list[Rule], rule_id: str) -> int | None:
    """How many days our rule says; None where it is not there."""
    for rule in rules:
        if rule.rule_id != rule_id or rule.status != ENABLED:
            continue
        if rule_id == UPLOADS_RULE and rule.abort_incomplete_multipart_upload is not None:
            return rule.abort_incomplete_multipart_upload.days_after_initiation
        if rule_id == EXPIRY_RULE and rule.expiration is not None:
            return rule.expiration.days
    return None


def expiring(rules: list[Rule]) -> list[tuple[str, int]]:
    """Every rule that deletes objects: its name, and after how many days."""
    return [
        (rule.rule_id or "unnamed", rule.expiration.days)
        for rule in rules
        if rule.status == ENABLED and rule.expiration is not None and rule.expiration.days
    ]


def describe(rules: list[Rule]) -> str:
    """In words; empty where there is no rule."""
    told = [f"{name} deletes objects after {days} days" for name, days in expiring(rules)]
    days = days_of(rules, UPLOADS_RULE)
    if days is not None:
        told.append(f"uploads that are left are ended after {days} days")
    return ", ".join(told)
