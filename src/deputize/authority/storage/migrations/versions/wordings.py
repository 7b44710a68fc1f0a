"""What users agreed to, each time, and its words; and users who have to choose another password."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision = "0012"
down_revision = "0011"
_INSTANT: TypeEngine[Any] = sa.Double()
_COPIED = (
    "id",
    "environment_id",
    "user_id",
    "client_id",
    "agreement_id",
    "version",
    "revision",
    "locale",
    "accepted_at",
    "expires_at",
    "withdrawn_at",
)
"""What of a consent its acceptance says in the same words."""


def upgrade() -> None:
    """Add column and tables, and take over the consents there are, with the words that are still known."""
    op.add_column(
        "users", sa.Column("must_change_password", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    environment = sa.ForeignKeyConstraint(
        ["environment_id"], ["environments.id"], name="fk_wordings_environment_id", ondelete="CASCADE"
    )
    op.create_table(
        "wordings",
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("used_at", _INSTANT, nullable=False),
        environment,
        sa.PrimaryKeyConstraint("environment_id", "digest", name="pk_wordings"),
    )
    agent_id = sa.String(length=36).with_variant(sa.String(length=1024), "postgresql")
    op.create_table(
        "acceptances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("environment_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("client_id", agent_id, nullable=False),
        sa.Column("agreement_id", sa.String(length=36), nullable=False),
        sa.Column("consent_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("locale", sa.String(length=64), nullable=False),
        sa.Column("accepted_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=True),
        sa.Column("covers", sa.JSON(), nullable=False),
        sa.Column("wording", sa.String(length=64), nullable=True),
        sa.Column("withdrawn_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_acceptances_environment_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_acceptances_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_acceptances"),
    )
    op.create_index("ix_acceptances_user_id", "acceptances", ["user_id"])
    op.create_index("ix_acceptances_wording", "acceptances", ["wording"])
    _take_consents_over(op.get_bind())


def _take_consents_over(connection: sa.Connection) -> None:
    """Make an acceptance of each consent.

    Only digests of the texts were kept: those that agreements still have are known, and what pages said about
    scopes is not.
    """
    objects = _table("directory_objects", ("environment_id", "id", "name", "kind"), "document")
    stored = connection.execute(sa.select(objects).where(objects.c.kind == "agreement")).all()
    texts: dict[tuple[str, ...], tuple[str, dict[str, Any]]] = {
        (row.environment_id, row.id, _revision(text), text["locale"]): (row.name, text)
        for row in stored
        for text in row.document.get("languages") or ()
    }
    acceptances = _table("acceptances", (*_COPIED, "consent_id", "wording"), "covers")
    wordings = _table("wordings", ("environment_id", "digest", "used_at"), "document")
    written: set[tuple[str, str]] = set()
    for consent in connection.execute(sa.select(_table("consents", _COPIED, "covers"))).mappings().all():
        digest = None
        key = (consent["environment_id"], consent["agreement_id"], consent["revision"], consent["locale"])
        if found := texts.get(key):
            name, text = found
            shown = {each: text[each] for each in ("title", "content_type", "text")}
            agreement = {"name": name, "version": consent["version"], "language": consent["locale"], **shown}
            document = {"agreement": agreement}
            digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
            if (consent["environment_id"], digest) not in written:
                written.add((consent["environment_id"], digest))
                row: dict[str, Any] = {
                    "environment_id": consent["environment_id"],
                    "digest": digest,
                    "document": document,
                    "used_at": consent["accepted_at"],
                }
                connection.execute(wordings.insert().values(row))
        row = {**consent, "consent_id": consent["id"], "wording": digest}
        connection.execute(acceptances.insert().values(row))


def _table(name: str, columns: tuple[str, ...], document: str) -> sa.TableClause:
    return sa.table(name, *map(_column, columns), sa.column(document, sa.JSON()))


def _column(name: str) -> sa.ColumnClause[Any]:
    return sa.column(name)


def _revision(text: dict[str, Any]) -> str:
    shown = json.dumps([text["content_type"], text["title"], text["text"]])
    return hashlib.sha256(shown.encode()).hexdigest()[:32]
