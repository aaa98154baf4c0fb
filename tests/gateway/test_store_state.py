"""What a bucket can do is told, and rules by which it deletes never reach what is kept."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from minio.commonconfig import Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from gateway.commands.store import set_lifecycle, show_store
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.writer_process import load_operations
from gateway.settings import Settings
from gateway.shard.housekeeping import Housekeeping
from gateway.store import open_configured_store
from gateway.store_state import rules_problem
from recorder.rows import LocalRowWriter
from recorder.stores.lifecycle import LifecycleRules
from recorder.stores.s3 import S3Store
from tests.gateway.kept import Kept, kept
from tests.peers.ceph_rgw import S3Server

US_PER_DAY = 86_400_000_000


def settings_for(folder: Path, server: S3Server, secret_key: str | None = None) -> Settings:
    return Settings.model_validate(
        {
            "data_directory": folder,
            "store": {
                "kind": "s3",
                "endpoint": server.endpoint,
                "bucket": f"county-{secrets.token_hex(4)}",
                "access_key": server.access_key,
                "secret_key": secret_key or server.secret_key,
                "secure": False,
            },
        }
    )


@pytest.fixture
def settings(tmp_path: Path, ceph_rgw: S3Server) -> Settings:
    """A bucket that is not there yet, and a database."""
    made = settings_for(tmp_path, ceph_rgw)
    load_operations()
    engine = create_writer_engine(made)
    upgrade(engine)
    engine.dispose()
    return made


@pytest.fixture
async def bucket(settings: Settings) -> AsyncIterator[S3Store]:
    store = open_configured_store(settings)
    assert isinstance(store, S3Store)
    await store.check()
    yield store
    await store.close()


async def write(settings: Settings, operation: str, **arguments: object) -> None:
    engine = create_writer_engine(settings)
    rows = LocalRowWriter(engine)
    await rows.write(operation, **arguments)
    await asyncio.to_thread(rows.close)
    engine.dispose()


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_what_is_missing_is_told_with_what_follows(
    settings: Settings, bucket: S3Store
) -> None:
    state = await show_store(settings)
    assert state.problem is None
    (trouble,) = state.troubles
    assert trouble.startswith("object_lock: missing")
    assert "kept by the gateway alone" in trouble
    assert state.lines[0] == trouble
    document = state.document()
    assert document["place"] == f"s3://{settings.store.endpoint}/{settings.store.bucket}"
    offered = {one["name"]: one["offered"] for one in document["capabilities"]}
    assert offered["multipart"] is True
    assert offered["object_lock"] is False


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_a_wrong_key_is_told_without_the_key(settings: Settings, ceph_rgw: S3Server) -> None:
    wrong = settings_for(settings.data_directory, ceph_rgw, "not-the-secret")
    state = await show_store(wrong)
    assert state.problem is not None
    assert "check access_key and secret_key" in state.problem
    assert "not-the-secret" not in str(state.document())


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_our_rules_stand_behind_the_longest_retention(
    settings: Settings, bucket: S3Store
) -> None:
    rules = await set_lifecycle(settings, upload_days=7, margin_days=14)
    assert (rules.upload_days, rules.expiry_days) == (7, 45)
    assert (await show_store(settings)).rules_problem is None
    with pytest.raises(ValueError, match="7 days at least"):
        await set_lifecycle(settings, upload_days=7, margin_days=1)
    with pytest.raises(ValueError, match=r"store\.upload_hours"):
        await set_lifecycle(settings, upload_days=1, margin_days=None)
    assert (await bucket.lifecycle()).expiry_days == 45, "what was refused changes nothing"


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_no_rule_deletes_while_something_is_held(settings: Settings, bucket: S3Store) -> None:
    hold = {"hold_id": "h1", "start_us": 0, "end_us": US_PER_DAY, "camera_id": "cam_1"}
    await write(settings, "recorder.add_hold", **hold)
    with pytest.raises(ValueError, match="there are 1 holds"):
        await set_lifecycle(settings, upload_days=None, margin_days=14)
    assert (await bucket.lifecycle()).expiry_days is None


@pytest.fixture
async def housekeeping(
    tmp_path: Path, settings: Settings, bucket: S3Store
) -> AsyncIterator[tuple[Housekeeping, Kept]]:
    folder = tmp_path / "kept"
    folder.mkdir()
    async with kept(folder) as found:
        yield Housekeeping(settings, found.reader, found.rows, bucket), found


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_the_first_hold_takes_our_rule_away(
    housekeeping: tuple[Housekeeping, Kept], bucket: S3Store
) -> None:
    keeping, found = housekeeping
    await bucket.set_lifecycle(upload_days=7, expiry_days=45)
    await keeping.turn()
    assert (await bucket.lifecycle()).expiry_days == 45
    await found.rows.write(
        "recorder.add_hold", hold_id="h1", start_us=0, end_us=US_PER_DAY, camera_id="cam_1"
    )
    await keeping.turn()
    rules = await bucket.lifecycle()
    assert (rules.upload_days, rules.expiry_days) == (7, None)


@pytest.mark.ceph
@pytest.mark.timeout(180)
async def test_a_rule_of_somebody_else_that_deletes_too_soon_is_named(
    settings: Settings, bucket: S3Store
) -> None:
    theirs = Rule(
        status="Enabled",
        rule_id="theirs",
        rule_filter=Filter(prefix=""),
        expiration=Expiration(days=20),
    )
    change = bucket._client.set_bucket_lifecycle
    await asyncio.to_thread(change, bucket._bucket, LifecycleConfig([theirs]))
    state = await show_store(settings)
    assert state.rules_problem is not None
    assert "deletes objects after 20 days" in state.rules_problem
    assert state.troubles[0] == state.rules_problem


def test_a_rule_that_waits_long_enough_is_no_problem() -> None:
    assert rules_problem(LifecycleRules(None, 45, 45), 30.0) is None
    assert rules_problem(LifecycleRules(None, None, 30), 30.0) is not None
    assert rules_problem(None, 30.0) is None
