"""Second factors, identities, tokens, duty desks; sign-ins that people can tell apart"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "desks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("registered_us", sa.BigInteger(), nullable=False),
        sa.Column("registered_by", sa.String(length=40), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desks")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_desks_token_hash")),
    )
    with op.batch_alter_table("desks", schema=None) as batch_op:
        batch_op.create_index("ix_desks_area_id", ["area_id"], unique=False)

    op.create_table(
        "desk_items",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=True),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(length=40), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(length=40), nullable=True),
        sa.Column("resolution", sa.String(length=2000), nullable=True),
        sa.ForeignKeyConstraint(["closed_by"], ["users.id"], name=op.f("fk_desk_items_closed_by")),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_desk_items_desk_id")),
        sa.ForeignKeyConstraint(["opened_by"], ["users.id"], name=op.f("fk_desk_items_opened_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_items")),
    )
    with op.batch_alter_table("desk_items", schema=None) as batch_op:
        batch_op.create_index("ix_desk_items_desk_id", ["desk_id", "closed_us"], unique=False)

    op.create_table(
        "desk_people",
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("full_sign_in_us", sa.BigInteger(), nullable=False),
        sa.Column("wrong_pins", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_desk_people_desk_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_desk_people_user_id")),
        sa.PrimaryKeyConstraint("desk_id", "user_id", name=op.f("pk_desk_people")),
    )
    op.create_table(
        "handovers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("desk_id", sa.String(length=40), nullable=False),
        sa.Column("given_by", sa.String(length=40), nullable=False),
        sa.Column("given_us", sa.BigInteger(), nullable=False),
        sa.Column("given_method", sa.String(length=16), nullable=False),
        sa.Column("taken_by", sa.String(length=40), nullable=False),
        sa.Column("taken_us", sa.BigInteger(), nullable=True),
        sa.Column("taken_method", sa.String(length=16), nullable=True),
        sa.Column("remark", sa.String(length=2000), nullable=True),
        sa.Column("withdrawn_us", sa.BigInteger(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("document_sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_handovers_desk_id")),
        sa.ForeignKeyConstraint(["given_by"], ["users.id"], name=op.f("fk_handovers_given_by")),
        sa.ForeignKeyConstraint(["taken_by"], ["users.id"], name=op.f("fk_handovers_taken_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    with op.batch_alter_table("handovers", schema=None) as batch_op:
        batch_op.create_index("ix_handovers_desk_id", ["desk_id", "given_us"], unique=False)

    op.create_table(
        "identities",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("issuer", sa.String(length=300), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("linked_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_identities_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identities_issuer_subject")),
    )
    with op.batch_alter_table("identities", schema=None) as batch_op:
        batch_op.create_index("ix_identities_user_id", ["user_id"], unique=False)

    op.create_table(
        "password_history",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("replaced_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_password_history_user_id")
        ),
        sa.PrimaryKeyConstraint("user_id", "replaced_us", name=op.f("pk_password_history")),
    )
    op.create_table(
        "pins",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("pin_hash", sa.String(length=200), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_pins_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_pins")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "service_tokens",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("used_address", sa.String(length=64), nullable=True),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_service_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_service_tokens_token_hash")),
    )
    with op.batch_alter_table("service_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_service_tokens_user_id", ["user_id"], unique=False)

    op.create_table(
        "totp_secrets",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("secret_sealed", sa.String(length=400), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_us", sa.BigInteger(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_totp_secrets_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_totp_secrets")),
    )
    # Of those that are open nobody knows any more how they came about: people sign in again.
    op.execute("DELETE FROM sign_in_sessions")
    op.execute("DELETE FROM sign_in_failures")
    with op.batch_alter_table("sign_in_sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("id", sa.String(length=40), nullable=False))
        batch_op.add_column(sa.Column("method", sa.String(length=16), nullable=False))
        batch_op.add_column(sa.Column("desk_id", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("used_us", sa.BigInteger(), nullable=False))
        batch_op.create_unique_constraint(op.f("uq_sign_in_sessions_id"), ["id"])
        batch_op.create_foreign_key(
            op.f("fk_sign_in_sessions_desk_id"), "desks", ["desk_id"], ["id"]
        )
    with op.batch_alter_table("sign_in_failures", schema=None) as batch_op:
        batch_op.add_column(sa.Column("locks", sa.Integer(), nullable=False))
        batch_op.alter_column(
            "key", existing_type=sa.String(length=200), type_=sa.String(length=300)
        )
