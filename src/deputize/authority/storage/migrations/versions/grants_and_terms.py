"""Terms of users, grants that name what they rest on, and consents that name an agent.

Codes, refresh tokens, tokens issued so far and consents do not say enough and are dropped: users sign on and
are asked again. Users, sessions and everything an administrator configured stay. Sign-ons under way are in
addresses and need no table any more. Wrong passwords are counted anew, by where they come from.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from deputize.kernel.ids import new_term

revision = "0002"
down_revision = "0001"
METADATA = sa.MetaData()
_INSTANT: TypeEngine[Any] = sa.Double()
_TERM = sa.String(length=8)
# Tables that were there before, as far as the new ones refer to them.
_KEPT = tuple(
    sa.Table(name, METADATA, sa.Column("id", sa.String(length=36), primary_key=True))
    for name in ("environments", "users")
)

sa.Table(
    "revoked_tokens",
    METADATA,
    sa.Column("jti", sa.String(length=320), nullable=False),
    sa.Column("kept_until", _INSTANT, nullable=False),
    sa.PrimaryKeyConstraint("jti", name="pk_revoked_tokens"),
    sa.Index("ix_revoked_tokens_kept_until", "kept_until"),
)
sa.Table(
    "consents",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("user_id", sa.String(length=36), nullable=False),
    sa.Column("client_id", sa.String(length=36), nullable=False),
    sa.Column("agreement_id", sa.String(length=36), nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.Column("revision", sa.String(length=64), nullable=False),
    sa.Column("locale", sa.String(length=64), nullable=False),
    sa.Column("accepted_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=True),
    sa.Column("covers", sa.JSON(), nullable=False),
    sa.Column("withdrawn_at", _INSTANT, nullable=True),
    sa.Column("last_used_at", _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(
        ["environment_id"],
        ["environments.id"],
        name="fk_consents_environment_id",
        ondelete="CASCADE",
    ),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_consents_user_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("environment_id", "user_id", "client_id", "agreement_id", name="pk_consents"),
    sa.UniqueConstraint("id", name="uq_consents_id"),
)
sa.Table(
    "grants",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("client_id", sa.String(length=36), nullable=False),
    sa.Column("client_term", _TERM, nullable=False),
    sa.Column("user_term", _TERM, nullable=False),
    sa.Column("policy_term", _TERM, nullable=False),
    sa.Column("resource_term", _TERM, nullable=False),
    sa.Column("user_id", sa.String(length=36), nullable=False),
    sa.Column("session_id", sa.String(length=36), nullable=False),
    sa.Column("auth_time", sa.Integer(), nullable=False),
    sa.Column("acr", sa.String(length=256), nullable=False),
    sa.Column("resource_id", sa.String(length=36), nullable=True),
    sa.Column("scopes", sa.JSON(), nullable=False),
    sa.Column("consents", sa.JSON(), nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("ended_at", _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(
        ["environment_id"], ["environments.id"], name="fk_grants_environment_id", ondelete="CASCADE"
    ),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_grants_user_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("id", name="pk_grants"),
    sa.Index("ix_grants_expires_at", "expires_at"),
    sa.Index("ix_grants_session_id", "session_id"),
    sa.Index("ix_grants_user_id", "user_id"),
)
sa.Table(
    "codes",
    METADATA,
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("grant_id", sa.String(length=36), nullable=False),
    sa.Column("redirect_uri", sa.Text(), nullable=False),
    sa.Column("code_challenge", sa.String(length=128), nullable=False),
    sa.Column("nonce", sa.Text(), nullable=True),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("redeemed_at", _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(["grant_id"], ["grants.id"], name="fk_codes_grant_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("digest", name="pk_codes"),
    sa.Index("ix_codes_expires_at", "expires_at"),
    sa.Index("ix_codes_grant_id", "grant_id"),
)
sa.Table(
    "refresh_tokens",
    METADATA,
    sa.Column("grant_id", sa.String(length=36), nullable=False),
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("previous_digest", sa.String(length=64), nullable=True),
    sa.Column("generation", sa.Integer(), nullable=False),
    sa.Column("rotated_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.ForeignKeyConstraint(
        ["grant_id"], ["grants.id"], name="fk_refresh_tokens_grant_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("grant_id", name="pk_refresh_tokens"),
    sa.UniqueConstraint("digest", name="uq_refresh_tokens_digest"),
    sa.Index("ix_refresh_tokens_previous_digest", "previous_digest"),
)
sa.Table(
    "spent_refresh_tokens",
    METADATA,
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("grant_id", sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(
        ["grant_id"], ["grants.id"], name="fk_spent_refresh_tokens_grant_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("digest", name="pk_spent_refresh_tokens"),
    sa.Index("ix_spent_refresh_tokens_grant_id", "grant_id"),
)
sa.Table(
    "sign_on_failures",
    METADATA,
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("username_digest", sa.String(length=64), nullable=False),
    sa.Column("source_digest", sa.String(length=64), nullable=False),
    sa.Column("failures", sa.Integer(), nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("locked_until", _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint("environment_id", "username_digest", "source_digest", name="pk_sign_on_failures"),
    sa.Index("ix_sign_on_failures_expires_at", "expires_at"),
)


def upgrade() -> None:
    """Add the terms, and replace the tables of grants and consents."""
    for table in (
        "spent_refresh_tokens",
        "refresh_tokens",
        "codes",
        "issued_tokens",
        "consents",
        "flows",
        "sign_on_failures",
    ):
        op.drop_table(table)
    op.add_column("users", sa.Column("term", _TERM, server_default="", nullable=False))
    users = sa.table("users", sa.column("id", sa.String), sa.column("term", sa.String))
    connection = op.get_bind()
    for (user_id,) in connection.execute(sa.select(users.c.id)).all():
        connection.execute(sa.update(users).where(users.c.id == user_id).values(term=new_term()))
    op.add_column("sessions", sa.Column("user_term", _TERM, server_default="", nullable=False))
    op.add_column("sessions", sa.Column("created_at", _INSTANT, server_default="0", nullable=False))
    op.add_column("sessions", sa.Column("last_used_at", _INSTANT, server_default="0", nullable=False))
    op.execute(
        "UPDATE sessions SET created_at = auth_time, last_used_at = auth_time,"
        " user_term = (SELECT term FROM users WHERE users.id = sessions.user_id)"
    )
    METADATA.create_all(
        op.get_bind(), [each for each in METADATA.sorted_tables if each not in _KEPT], checkfirst=False
    )
