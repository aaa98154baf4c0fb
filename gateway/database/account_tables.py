"""Tables of accounts beside ``users``: second factors, identities, tokens, desks, hand-overs.

Nothing here lets its reader sign in: codes, PINs and tokens are kept as keyed hashes, the secret of
an authenticator is sealed (:func:`gateway.secrets.seal`).
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

totp_secrets = sa.Table(
    "totp_secrets",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    # Sealed under the context "totp:<user id>".
    sa.Column("secret_sealed", sa.String(400), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # Null until a first code has shown that the telephone holds the secret.
    sa.Column("confirmed_us", sa.BigInteger, nullable=True),
    # The time step (RFC 6238 §4.2) of the newest code that was taken: none before counts again.
    sa.Column("last_step", sa.BigInteger, nullable=False),
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("code_hash", sa.String(64), primary_key=True),
    sa.Column("used_us", sa.BigInteger, nullable=True),
)

pins = sa.Table(
    "pins",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("pin_hash", sa.String(200), nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)

password_history = sa.Table(
    "password_history",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("replaced_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("password_hash", sa.String(200), nullable=False),
)

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # OpenID Connect Core §2: only both together name somebody, and for ever.
    sa.Column("issuer", sa.String(300), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    # What the provider calls them, for people to read.
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("linked_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("issuer", "subject"),
    sa.Index("ix_identities_user_id", "user_id"),
)

service_tokens = sa.Table(
    "service_tokens",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    # The account whose grants it acts by.
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    # Rights, as text: what the account holds is cut down to these.
    sa.Column("scopes", sa.JSON, nullable=False),
    # Networks it may come from, as text; empty: any.
    sa.Column("addresses", sa.JSON, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("used_us", sa.BigInteger, nullable=True),
    sa.Column("used_address", sa.String(64), nullable=True),
    sa.Column("revoked_us", sa.BigInteger, nullable=True),
    sa.Index("ix_service_tokens_user_id", "user_id"),
)

desks = sa.Table(
    "desks",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    # Not a foreign key, nor is a camera's below: hand-overs outlive both.
    sa.Column("area_id", sa.String(40), nullable=False),
    # SHA-256 of the cookie of the browser that is the desk.
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("registered_us", sa.BigInteger, nullable=False),
    sa.Column("registered_by", sa.String(40), nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    # Its hand-overs name it for ever.
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    sa.Index("ix_desks_area_id", "area_id"),
)

desk_people = sa.Table(
    "desk_people",
    metadata,
    sa.Column("desk_id", sa.String(40), sa.ForeignKey("desks.id"), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    # When they last signed in there with everything they have; a PIN is good for a week after.
    sa.Column("full_sign_in_us", sa.BigInteger, nullable=False),
    sa.Column("wrong_pins", sa.Integer, nullable=False),
)

desk_items = sa.Table(
    "desk_items",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("desk_id", sa.String(40), sa.ForeignKey("desks.id"), nullable=False),
    sa.Column("text", sa.String(2000), nullable=False),
    sa.Column("camera_id", sa.String(40), nullable=True),
    sa.Column("at_us", sa.BigInteger, nullable=True),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    sa.Column("opened_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("closed_us", sa.BigInteger, nullable=True),
    sa.Column("closed_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("resolution", sa.String(2000), nullable=True),
    sa.Index("ix_desk_items_desk_id", "desk_id", "closed_us"),
)

handovers = sa.Table(
    "handovers",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("desk_id", sa.String(40), sa.ForeignKey("desks.id"), nullable=False),
    sa.Column("given_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("given_us", sa.BigInteger, nullable=False),
    sa.Column("given_method", sa.String(16), nullable=False),
    sa.Column("taken_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("taken_us", sa.BigInteger, nullable=True),
    sa.Column("taken_method", sa.String(16), nullable=True),
    sa.Column("remark", sa.String(2000), nullable=True),
    sa.Column("withdrawn_us", sa.BigInteger, nullable=True),
    # What both sign, as canonical JSON; its SHA-256 stands in the register with each signature.
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("document_sha256", sa.String(64), nullable=False),
    sa.Index("ix_handovers_desk_id", "desk_id", "given_us"),
)
