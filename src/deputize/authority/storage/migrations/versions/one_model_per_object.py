"""Documents in the words of environment files, and columns for what is no setting.

An object's term, an agreement's version and the base URL get columns. Nothing an administrator set changes.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from copy import deepcopy
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

from deputize.kernel import durations

revision = "0003"
down_revision = "0002"
_DAY = 86400
_CODE = "authorization_code"

Document = dict[str, Any]


def upgrade() -> None:
    """Add the columns, and rewrite every document."""
    op.add_column("environments", sa.Column("base_url", sa.Text(), nullable=True))
    term = sa.Column("term", sa.String(length=8), server_default="", nullable=False)
    op.add_column("directory_objects", term)
    op.add_column("directory_objects", sa.Column("history", sa.JSON(), server_default="{}", nullable=False))
    connection = op.get_bind()
    environments = sa.table(
        "environments", *map(sa.column, ("id", "base_url")), sa.column("document", sa.JSON)
    )
    for environment_id, document in connection.execute(
        sa.select(environments.c.id, environments.c.document)
    ).all():
        changed = {"base_url": document.pop("base_url", None), "document": document}
        connection.execute(sa.update(environments).where(environments.c.id == environment_id).values(changed))
    objects = sa.table(
        "directory_objects",
        *map(sa.column, ("id", "kind", "term")),
        *(sa.column(name, sa.JSON) for name in ("document", "history")),
    )
    for object_id, kind, document in connection.execute(
        sa.select(objects.c.id, objects.c.kind, objects.c.document)
    ).all():
        # Before there were terms, an object's followed from its id.
        first_term = urlsafe_b64encode(sha256(object_id.encode()).digest())[:8].decode()
        changed = {
            "term": "" if kind == "agreement" else document.pop("term", "") or first_term,
            **_rewrite(kind, document),
        }
        connection.execute(sa.update(objects).where(objects.c.id == object_id).values(changed))


def _rewrite(kind: str, document: Document) -> Document:
    """The new document and history; a document that could not be read before is kept as it was."""
    try:
        history = _history(document) if kind == "agreement" else {}
        return {"history": history, "document": _REWRITE[kind](deepcopy(document))}
    except (AttributeError, KeyError, TypeError):
        return {"document": document}


def _history(document: Document) -> Document:
    revisions = {each["locale"]: each["revision"] for each in document.get("texts", ())}
    return {"version": document.get("version", 1), "revisions": revisions}


def _resource(document: Document) -> Document:
    scopes = document.pop("scopes", {})
    return {
        **document,
        "attributes": [_attribute(each) for each in document.pop("attributes", ())],
        "scopes": [
            {"name": name, **({"description": scope} if isinstance(scope, str) else scope)}
            for name, scope in scopes.items()
        ],
    }


def _attribute(attribute: Document) -> Document:
    value = attribute.pop("value")
    text = value.strip()
    is_expression = text.startswith("${") and text.endswith("}")
    return {**attribute, **({"expression": text[2:-1]} if is_expression else {"value": value})}


def _agent(document: Document) -> Document:
    grants = document.pop("grant_types", ())
    if "client_auth_method" in document:
        # Every agent was stored with this method, and none was held to it.
        method = document.pop("client_auth_method")
        document.setdefault("client_auth", None if method == "client_secret_basic" else method)
    implied = _CODE if document.get("redirect_uris") else None
    return {
        **document,
        "grants": [each.rpartition(":")[2].replace("-", "_") for each in grants if each != implied],
    }


def _agreement(document: Document) -> Document:
    days = document.pop("reconsent_days", None)
    document.pop("version", None)
    languages = [
        {name: value for name, value in text.items() if name != "revision"}
        for text in document.pop("texts", ())
    ]
    every = {} if days is None else {"reconsent_every": durations.write(days * _DAY)}
    return {**document, **every, "languages": languages}


def _policy(document: Document) -> Document:
    words = {"AGREEMENT": "agreement_prompt"}
    steps = (
        {words.get(step["type"], step["type"].lower()): step.get("settings", {})}
        for step in document.get("steps", ())
    )
    return {**document, "steps": list(steps)}


_REWRITE: Mapping[str, Callable[[Document], Document]] = {
    "resource": _resource,
    "agent": _agent,
    "agreement": _agreement,
    "policy": _policy,
}
