"""``gridsight secrets rotate``: another key for what is stored sealed, and everything sealed anew.

In this order, so that a crash anywhere is finished by running it again: the next key is written;
all rows are sealed with it in one transaction; it takes the place of the old one.
"""

from __future__ import annotations

import fcntl

import sqlalchemy as sa

from gateway.audit import AuditRecord, append_rows
from gateway.database.account_tables import totp_secrets
from gateway.database.assist_tables import assist_photos
from gateway.database.engine import create_writer_engine
from gateway.database.investigation_tables import search_looks, search_photos, search_requests
from gateway.database.migrate import upgrade
from gateway.database.outbox_tables import outbox_channels
from gateway.database.platform_tables import platforms
from gateway.database.tables import cameras
from gateway.secrets import (
    NEXT_SEALING_KEY,
    SEALING_KEY,
    cluster_secret,
    create_key,
    seal_with,
    secrets_folder,
    unseal,
)
from gateway.settings import Settings
from recorder.durable import sync_folder

# Every column that holds what gateway.secrets.seal() made: the row's key, the column, its context.
_SEALED = (
    (cameras.c.id, cameras.c.password_sealed, "{}"),
    (platforms.c.id, platforms.c.password_sealed, "{}"),
    (totp_secrets.c.user_id, totp_secrets.c.secret_sealed, "totp:{}"),
    (outbox_channels.c.id, outbox_channels.c.secret_sealed, "outbox:{}"),
    (outbox_channels.c.id, outbox_channels.c.old_secret_sealed, "outbox:{}"),
    (search_requests.c.id, search_requests.c.vector_sealed, "standing:{}"),
    (search_photos.c.id, search_photos.c.picture_sealed, "photo:{}"),
    (search_photos.c.id, search_photos.c.vectors_sealed, "photo vectors:{}"),
    (assist_photos.c.id, assist_photos.c.picture_sealed, "assist photo:{}"),
    (search_looks.c.id, search_looks.c.picture_sealed, "look picture:{}"),
    (search_looks.c.id, search_looks.c.vectors_sealed, "look:{}"),
)


def rotate_secrets(settings: Settings) -> int:
    """Gives how many secrets were sealed anew. Raises OSError, also while the gateway runs, and
    SealError when one cannot be opened: then everything is as it was.
    """
    run_directory = settings.effective_run_directory
    run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (run_directory / "supervisor.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError("stop the gateway first: its processes hold the key in use") from None
        folder = secrets_folder(settings)
        cluster_secret(settings)
        key = create_key(folder / NEXT_SEALING_KEY)
        engine = create_writer_engine(settings)
        try:
            upgrade(engine)
            with engine.begin() as connection:
                count = _seal_anew(connection, cluster_secret(settings), key)
                record = AuditRecord("secrets.rotate", detail={"secrets": count})
                append_rows(connection, [record.to_message()])
        finally:
            engine.dispose()
        (folder / NEXT_SEALING_KEY).replace(folder / SEALING_KEY)
        sync_folder(folder)
    return count


def _seal_anew(connection: sa.Connection, secret: bytes, key: bytes) -> int:
    count = 0
    for row_key, column, context in _SEALED:
        rows = connection.execute(sa.select(row_key, column).where(column.is_not(None))).all()
        for name, sealed in rows:
            bound = context.format(name)
            anew = seal_with(key, unseal(secret, sealed, bound), bound)
            connection.execute(
                sa.update(column.table).where(row_key == name).values({column.name: anew})
            )
            count += 1
    return count
