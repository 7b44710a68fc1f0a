"""The database's tables, with types that SQLite and PostgreSQL both have.

Instants are seconds since the epoch. Bearer values appear only as hex SHA-256 digests. What an administrator
configured is read as a whole and never by column, so it is kept as one JSON document an object: a new setting
needs no migration.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeEngine

from deputize.oauth.document_urls import MAX_LENGTH as MAX_AGENT_ID
from deputize.oauth.lineage import MAX_JTI

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

ID = String(36)
# An agent's may be the URL of its metadata document. SQLite heeds no lengths, and changes none.
AGENT_ID = String(36).with_variant(String(MAX_AGENT_ID), "postgresql")
OBJECT_NAME = String(256).with_variant(String(MAX_AGENT_ID), "postgresql")
DIGEST = String(64)
THUMBPRINT = String(43)
TERM = String(8)
NAME = String(256)
INSTANT: TypeEngine[Any] = Double()


def _prefixed(length: int) -> TypeEngine[Any]:
    """Return a text that is searched by its beginning: in the order of code points, in PostgreSQL as well."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _column(name: str, kind: TypeEngine[Any], *, key: bool = False) -> Column[Any]:
    return Column(name, kind, primary_key=key, nullable=False)


def _optional(name: str, kind: TypeEngine[Any]) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _environment(*, key: bool = False) -> Column[Any]:
    return Column(
        "environment_id",
        ID,
        ForeignKey("environments.id", ondelete="CASCADE"),
        primary_key=key,
        nullable=False,
    )


def _user(*, key: bool = False) -> Column[Any]:
    return Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), primary_key=key, nullable=False)


def _grant(*, key: bool = False) -> Column[Any]:
    return Column(
        "grant_id", ID, ForeignKey("grants.id", ondelete="CASCADE"), primary_key=key, nullable=False
    )


DIRECTORY_VERSION = Table(
    "directory_version",
    METADATA,
    Column("id", Integer(), primary_key=True, autoincrement=False),
    _column("version", Integer()),
    CheckConstraint("id = 1", name="one_row"),
)

ENVIRONMENTS = Table(
    "environments",
    METADATA,
    _column("id", ID, key=True),
    _column("name", NAME),
    _column("document", JSON()),
    _optional("base_url", Text()),
    UniqueConstraint("name"),
)

DIRECTORY_OBJECTS = Table(
    "directory_objects",
    METADATA,
    _column("id", AGENT_ID, key=True),
    _environment(key=True),
    _column("kind", String(16)),
    _column("name", OBJECT_NAME),
    _column("document", JSON()),
    _column("term", TERM),
    _column("history", JSON()),
    _optional("created_at", INSTANT),
    _optional("changed_at", INSTANT),
    UniqueConstraint("environment_id", "kind", "name"),
)
"""An agent by a metadata document has one id in all environments that admit its host."""

SECRETS = Table(
    "secrets",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    Column("owner_id", AGENT_ID, nullable=False, index=True),
    _column("digest", DIGEST),
    _column("created_at", INSTANT),
    _optional("expires_at", INSTANT),
    ForeignKeyConstraint(
        ["environment_id", "owner_id"],
        ["directory_objects.environment_id", "directory_objects.id"],
        ondelete="CASCADE",
    ),
)

SIGNING_KEYS = Table(
    "signing_keys",
    METADATA,
    _environment(key=True),
    _column("kid", String(64), key=True),
    _column("position", Integer()),
    _column("document", JSON()),
)

SERVER_KEYS = Table(
    "server_keys",
    METADATA,
    _column("environment_id", ID, key=True),
    _column("purpose", String(32), key=True),
    _column("key", String(64)),
)

USERS = Table(
    "users",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _column("username", String(128)),
    _column("password_hash", String(256)),
    _column("enabled", Boolean()),
    _optional("email", String(320)),
    _optional("given_name", NAME),
    _optional("family_name", NAME),
    _optional("preferred_language", String(64)),
    _optional("attributes", JSON(none_as_null=True)),
    _column("term", TERM),
    Column("withdrawals", JSON(), nullable=False, server_default="{}"),
    Column("must_change_password", Boolean(), nullable=False, server_default=false()),
    Column("roles", Text(), nullable=False, server_default=""),
    Column("username_form", Text(), nullable=False, server_default=""),
    UniqueConstraint("environment_id", "username"),
    Index(None, "environment_id", "username_form"),
)
"""`username_form` is what two usernames must not share, and what is searched (`oauth.usernames`)."""

SESSIONS = Table(
    "sessions",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _user(),
    _column("cookie_digest", DIGEST),
    _column("auth_time", Integer()),
    Column("expires_at", INSTANT, nullable=False, index=True),
    _optional("ended_at", INSTANT),
    _column("user_term", TERM),
    _column("created_at", INSTANT),
    _column("last_used_at", INSTANT),
    Column("factors", JSON(), nullable=False, server_default="{}"),
    UniqueConstraint("cookie_digest"),
    Index(None, "user_id"),
    Index(None, "environment_id", "created_at", "id"),
)

FACTORS = Table(
    "factors",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _user(),
    _column("kind", String(16)),
    _column("key", DIGEST),
    _column("name", NAME),
    _column("material", Text()),
    _column("counter", BigInteger()),
    _column("created_at", INSTANT),
    _optional("last_used_at", INSTANT),
    UniqueConstraint("environment_id", "kind", "key"),
    Index(None, "user_id"),
)
"""What users have beside their passwords."""

CONSENTS = Table(
    "consents",
    METADATA,
    _column("id", ID),
    _environment(key=True),
    _user(key=True),
    _column("client_id", AGENT_ID, key=True),
    _column("agreement_id", ID, key=True),
    _column("version", Integer()),
    _column("revision", String(64)),
    _column("locale", String(64)),
    _column("accepted_at", INSTANT),
    _optional("expires_at", INSTANT),
    _column("covers", JSON()),
    _optional("withdrawn_at", INSTANT),
    _optional("last_used_at", INSTANT),
    _optional("withdrawn_by", Text()),
    UniqueConstraint("id"),
    Index(None, "environment_id", "client_id"),
)

WORDINGS = Table(
    "wordings",
    METADATA,
    _environment(key=True),
    _column("digest", DIGEST, key=True),
    _column("document", JSON()),
    _column("used_at", INSTANT),
)
"""The words that users said yes to, by what they say: they are the same for many users."""

ACCEPTANCES = Table(
    "acceptances",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _user(),
    _column("client_id", AGENT_ID),
    _column("agreement_id", ID),
    _column("consent_id", ID),
    _column("version", Integer()),
    _column("revision", String(64)),
    _column("locale", String(64)),
    _column("accepted_at", INSTANT),
    _optional("expires_at", INSTANT),
    _column("covers", JSON()),
    _optional("wording", DIGEST),
    _optional("withdrawn_at", INSTANT),
    _optional("withdrawn_by", Text()),
    Index(None, "user_id"),
    Index(None, "wording"),
)
"""Agents and agreements may be gone, or others have their ids: the wording says which they were."""

GRANTS = Table(
    "grants",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _column("client_id", AGENT_ID),
    _column("client_term", TERM),
    _column("user_term", TERM),
    _column("policy_term", TERM),
    _column("resource_term", TERM),
    _user(),
    _column("session_id", ID),
    _column("auth_time", Integer()),
    _column("acr", NAME),
    Column("amr", JSON(), nullable=False, server_default="[]"),
    _optional("resource_id", ID),
    _column("scopes", JSON()),
    _column("consents", JSON()),
    _column("created_at", INSTANT),
    Column("expires_at", INSTANT, nullable=False, index=True),
    _optional("ended_at", INSTANT),
    _optional("delegated_resource_id", ID),
    Column("delegated_scopes", JSON(), nullable=False, server_default="[]"),
    Column("asserted", Boolean(), nullable=False, server_default=false()),
    Column("withdrawn", Integer(), nullable=False, server_default="0"),
    Index(None, "user_id"),
    Index(None, "session_id"),
    Index("ix_grants_last_use", "environment_id", "client_id", "created_at"),
)

CODES = Table(
    "codes",
    METADATA,
    _column("digest", DIGEST, key=True),
    _grant(),
    _column("redirect_uri", Text()),
    _column("code_challenge", String(128)),
    _optional("nonce", Text()),
    Column("expires_at", INSTANT, nullable=False, index=True),
    _optional("redeemed_at", INSTANT),
    _optional("dpop_jkt", THUMBPRINT),
    Index(None, "grant_id"),
)

REFRESH_TOKENS = Table(
    "refresh_tokens",
    METADATA,
    _grant(key=True),
    _column("digest", DIGEST),
    _optional("previous_digest", DIGEST),
    _column("generation", Integer()),
    _column("rotated_at", INSTANT),
    _column("expires_at", INSTANT),
    _optional("dpop_jkt", THUMBPRINT),
    Column("environment_id", ID, nullable=False, server_default=""),
    Column("client_id", AGENT_ID, nullable=False, server_default=""),
    UniqueConstraint("digest"),
    Index(None, "previous_digest"),
    Index("ix_refresh_tokens_last_use", "environment_id", "client_id", "rotated_at"),
)
"""Environment and client are the grant's, for an index by which an agent's last use is found."""

SPENT_REFRESH_TOKENS = Table(
    "spent_refresh_tokens",
    METADATA,
    _column("digest", DIGEST, key=True),
    _grant(),
    Index(None, "grant_id"),
)

REVOKED_TOKENS = Table(
    "revoked_tokens",
    METADATA,
    _column("jti", String(MAX_JTI), key=True),
    Column("kept_until", INSTANT, nullable=False, index=True),
)

ONE_TIME_IDS = Table(
    "one_time_ids",
    METADATA,
    _column("environment_id", ID, key=True),
    _column("purpose", String(32), key=True),
    _column("id_digest", DIGEST, key=True),
    Column("kept_until", INSTANT, nullable=False, index=True),
)

LOGOUT_NOTICES = Table(
    "logout_notices",
    METADATA,
    _environment(key=True),
    _column("session_id", ID, key=True),
    _column("client_id", Text(), key=True),
    _column("user_id", ID),
    _column("attempts", Integer()),
    Column("due_at", INSTANT, nullable=False, index=True),
)
"""Sessions, users and grants may be gone before their agents know."""

INITIAL_ACCESS_TOKENS = Table(
    "initial_access_tokens",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _column("digest", DIGEST),
    _column("created_at", INSTANT),
    Column("expires_at", INSTANT, nullable=False, index=True),
    _column("uses_left", Integer()),
    UniqueConstraint("digest"),
)

IDEMPOTENT_REQUESTS = Table(
    "idempotent_requests",
    METADATA,
    _column("key_digest", DIGEST, key=True),
    _column("fingerprint", DIGEST),
    _column("begun_at", INSTANT),
    Column("kept_until", INSTANT, nullable=False, index=True),
    _optional("status", Integer()),
    _optional("fields", JSON(none_as_null=True)),
    _optional("body", Text()),
)
"""What the management API answered to requests with an `Idempotency-Key`."""

INVITATIONS = Table(
    "invitations",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _column("digest", DIGEST),
    _column("roles", Text()),
    _column("created_at", INSTANT),
    Column("expires_at", INSTANT, nullable=False, index=True),
    _optional("username", String(128)),
    _optional("invited_by", AGENT_ID),
    Column("invited_by_term", TERM, nullable=False, server_default=""),
    UniqueConstraint("digest"),
)

SIGN_ON_FAILURES = Table(
    "sign_on_failures",
    METADATA,
    _column("environment_id", ID, key=True),
    _column("username_digest", DIGEST, key=True),
    _column("source_digest", DIGEST, key=True),
    _column("failures", Integer()),
    Column("expires_at", INSTANT, nullable=False, index=True),
    _optional("locked_until", INSTANT),
)

ACTIVITIES = Table(
    "activities",
    METADATA,
    _column("id", ID, key=True),
    _environment(),
    _column("happened_at", INSTANT),
    _column("source", String(16)),
    _column("event", _prefixed(64)),
    _column("outcome", String(16)),
    Column("user_id", ID, ForeignKey("users.id", ondelete="CASCADE"), nullable=True),
    _column("agent_ids", JSON()),
    _optional("acting_id", AGENT_ID),
    _optional("resource_id", ID),
    _optional("method", String(64)),
    _optional("tool", _prefixed(256)),
    _optional("session_id", ID),
    _optional("grant_id", ID),
    _optional("jti", String(MAX_JTI)),
    _column("transaction_id", _prefixed(128)),
    _optional("caller_transaction_id", String(128)),
    _column("record", Text()),
    Index("ix_activities_time", "environment_id", "happened_at", "id"),
    *(
        Index(f"ix_activities_{name}", "environment_id", name, "happened_at", "id")
        for name in (
            "event",
            "outcome",
            "transaction_id",
            "resource_id",
            "tool",
            "jti",
            "caller_transaction_id",
        )
    ),
    Index("ix_activities_user_id", "user_id", "happened_at", "id"),
)
"""Each way to search has an index that is in the order of time; one on the user alone serves their deletion
as well."""

ACTIVITY_AGENTS = Table(
    "activity_agents",
    METADATA,
    _environment(key=True),
    _column("agent_id", AGENT_ID, key=True),
    _column("happened_at", INSTANT, key=True),
    Column(
        "activity_id", ID, ForeignKey("activities.id", ondelete="CASCADE"), primary_key=True, nullable=False
    ),
    Index(None, "activity_id"),
    sqlite_with_rowid=False,
)
"""Every agent that had a part in an activity."""

ACTIVITY_TOTALS = Table(
    "activity_totals",
    METADATA,
    _environment(key=True),
    _column("agent_id", AGENT_ID, key=True),
    _column("resource_id", ID, key=True),
    _column("event", String(64), key=True),
    _column("method", String(64), key=True),
    _column("tool", NAME, key=True),
    _column("permitted", Integer()),
    _column("refused", Integer()),
    _column("first_at", INSTANT),
    _column("last_at", INSTANT),
    sqlite_with_rowid=False,
)
"""How often an agent did what, whoever it was for; what an activity has none of is empty."""
