"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
METADATA = sa.MetaData()
_INSTANT: TypeEngine[Any] = sa.Double()

sa.Table(
    "directory_version",
    METADATA,
    sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.CheckConstraint("id = 1", name="ck_directory_version_one_row"),
    sa.PrimaryKeyConstraint("id", name="pk_directory_version"),
)
sa.Table(
    "environments",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("name", sa.String(length=256), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint("id", name="pk_environments"),
    sa.UniqueConstraint("name", name="uq_environments_name"),
)
sa.Table(
    "directory_objects",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("kind", sa.String(length=16), nullable=False),
    sa.Column("name", sa.String(length=256), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(
        ["environment_id"],
        ["environments.id"],
        name="fk_directory_objects_environment_id",
        ondelete="CASCADE",
    ),
    sa.PrimaryKeyConstraint("id", name="pk_directory_objects"),
    sa.UniqueConstraint(
        "environment_id", "kind", "name", name="uq_directory_objects_environment_id_kind_name"
    ),
)
sa.Table(
    "secrets",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("owner_id", sa.String(length=36), nullable=False),
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(
        ["environment_id"],
        ["environments.id"],
        name="fk_secrets_environment_id",
        ondelete="CASCADE",
    ),
    sa.ForeignKeyConstraint(
        ["owner_id"], ["directory_objects.id"], name="fk_secrets_owner_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("id", name="pk_secrets"),
    sa.Index("ix_secrets_owner_id", "owner_id"),
)
sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("kid", sa.String(length=64), nullable=False),
    sa.Column("position", sa.Integer(), nullable=False),
    sa.Column("document", sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(
        ["environment_id"],
        ["environments.id"],
        name="fk_signing_keys_environment_id",
        ondelete="CASCADE",
    ),
    sa.PrimaryKeyConstraint("environment_id", "kid", name="pk_signing_keys"),
)
sa.Table(
    "server_keys",
    METADATA,
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("purpose", sa.String(length=32), nullable=False),
    sa.Column("key", sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint("environment_id", "purpose", name="pk_server_keys"),
)
sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("username", sa.String(length=128), nullable=False),
    sa.Column("password_hash", sa.String(length=256), nullable=False),
    sa.Column("enabled", sa.Boolean(), nullable=False),
    sa.Column("email", sa.String(length=320), nullable=True),
    sa.Column("given_name", sa.String(length=256), nullable=True),
    sa.Column("family_name", sa.String(length=256), nullable=True),
    sa.Column("preferred_language", sa.String(length=64), nullable=True),
    sa.Column("attributes", sa.JSON(none_as_null=True), nullable=True),
    sa.ForeignKeyConstraint(
        ["environment_id"], ["environments.id"], name="fk_users_environment_id", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("id", name="pk_users"),
    sa.UniqueConstraint("environment_id", "username", name="uq_users_environment_id_username"),
)
sa.Table(
    "sessions",
    METADATA,
    sa.Column("id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("user_id", sa.String(length=36), nullable=False),
    sa.Column("cookie_digest", sa.String(length=64), nullable=False),
    sa.Column("auth_time", sa.Integer(), nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("ended_at", _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(
        ["environment_id"],
        ["environments.id"],
        name="fk_sessions_environment_id",
        ondelete="CASCADE",
    ),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    sa.UniqueConstraint("cookie_digest", name="uq_sessions_cookie_digest"),
    sa.Index("ix_sessions_expires_at", "expires_at"),
    sa.Index("ix_sessions_user_id", "user_id"),
)
sa.Table(
    "consents",
    METADATA,
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("user_id", sa.String(length=36), nullable=False),
    sa.Column("agreement_id", sa.String(length=36), nullable=False),
    sa.Column("version", sa.Integer(), nullable=False),
    sa.Column("revision", sa.String(length=64), nullable=False),
    sa.Column("locale", sa.String(length=64), nullable=False),
    sa.Column("accepted_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=True),
    sa.Column("withdrawn_at", _INSTANT, nullable=True),
    sa.ForeignKeyConstraint(
        ["environment_id"],
        ["environments.id"],
        name="fk_consents_environment_id",
        ondelete="CASCADE",
    ),
    sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_consents_user_id", ondelete="CASCADE"),
    sa.PrimaryKeyConstraint("environment_id", "user_id", "agreement_id", name="pk_consents"),
)
sa.Table(
    "codes",
    METADATA,
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("client_id", sa.String(length=36), nullable=False),
    sa.Column("redirect_uri", sa.Text(), nullable=False),
    sa.Column("code_challenge", sa.String(length=128), nullable=False),
    sa.Column("resource_id", sa.String(length=36), nullable=True),
    sa.Column("scopes", sa.JSON(), nullable=False),
    sa.Column("user_id", sa.String(length=36), nullable=False),
    sa.Column("session_id", sa.String(length=36), nullable=False),
    sa.Column("auth_time", sa.Integer(), nullable=False),
    sa.Column("acr", sa.String(length=256), nullable=False),
    sa.Column("nonce", sa.Text(), nullable=True),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("family_id", sa.String(length=36), nullable=False),
    sa.Column("redeemed_at", _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint("digest", name="pk_codes"),
    sa.Index("ix_codes_expires_at", "expires_at"),
)
sa.Table(
    "refresh_tokens",
    METADATA,
    sa.Column("family_id", sa.String(length=36), nullable=False),
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("client_id", sa.String(length=36), nullable=False),
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("previous_digest", sa.String(length=64), nullable=True),
    sa.Column("generation", sa.Integer(), nullable=False),
    sa.Column("rotated_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("family_expires_at", _INSTANT, nullable=False),
    sa.Column("resource_id", sa.String(length=36), nullable=True),
    sa.Column("scopes", sa.JSON(), nullable=False),
    sa.Column("user_id", sa.String(length=36), nullable=False),
    sa.Column("session_id", sa.String(length=36), nullable=False),
    sa.Column("auth_time", sa.Integer(), nullable=False),
    sa.Column("acr", sa.String(length=256), nullable=False),
    sa.Column("nonce", sa.Text(), nullable=True),
    sa.Column("revoked_at", _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint("family_id", name="pk_refresh_tokens"),
    sa.UniqueConstraint("digest", name="uq_refresh_tokens_digest"),
    sa.Index("ix_refresh_tokens_family_expires_at", "family_expires_at"),
    sa.Index("ix_refresh_tokens_previous_digest", "previous_digest"),
)
sa.Table(
    "spent_refresh_tokens",
    METADATA,
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("family_id", sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(
        ["family_id"],
        ["refresh_tokens.family_id"],
        name="fk_spent_refresh_tokens_family_id",
        ondelete="CASCADE",
    ),
    sa.PrimaryKeyConstraint("digest", name="pk_spent_refresh_tokens"),
    sa.Index("ix_spent_refresh_tokens_family_id", "family_id"),
)
sa.Table(
    "issued_tokens",
    METADATA,
    sa.Column("jti", sa.String(length=36), nullable=False),
    sa.Column("family_id", sa.String(length=36), nullable=True),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("revoked", sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint("jti", name="pk_issued_tokens"),
    sa.Index("ix_issued_tokens_expires_at", "expires_at"),
    sa.Index("ix_issued_tokens_family_id", "family_id"),
)
sa.Table(
    "flows",
    METADATA,
    sa.Column("digest", sa.String(length=64), nullable=False),
    sa.Column("state", sa.JSON(), nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.PrimaryKeyConstraint("digest", name="pk_flows"),
    sa.Index("ix_flows_expires_at", "expires_at"),
)
sa.Table(
    "sign_on_failures",
    METADATA,
    sa.Column("environment_id", sa.String(length=36), nullable=False),
    sa.Column("username_digest", sa.String(length=64), nullable=False),
    sa.Column("failures", sa.Integer(), nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("locked_until", _INSTANT, nullable=True),
    sa.PrimaryKeyConstraint("environment_id", "username_digest", name="pk_sign_on_failures"),
    sa.Index("ix_sign_on_failures_expires_at", "expires_at"),
)


def upgrade() -> None:
    """Create every table."""
    METADATA.create_all(op.get_bind(), checkfirst=False)
    op.execute("INSERT INTO directory_version (id, version) VALUES (1, 0)")
