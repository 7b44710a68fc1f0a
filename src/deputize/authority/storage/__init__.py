"""What the authority remembers, in SQLite or PostgreSQL: one file a port of `oauth.ports`.

The only package that knows SQLAlchemy.
"""

from deputize.authority.storage.directory_rows import (
    DirectoryConflict,
    DirectoryRows,
    EnvironmentRow,
    Invitation,
    Kind,
    ObjectRow,
    Put,
    Remove,
    RowChange,
    SecretRow,
    SigningKeyRow,
    SqlDirectoryRows,
)
from deputize.authority.storage.engine import DatabaseMissing, StorageError, StorageUnavailable
from deputize.authority.storage.idempotent_requests import IdempotentRequest
from deputize.authority.storage.initial_access_tokens import InitialAccessToken
from deputize.authority.storage.listings import AgentFilter, Slice
from deputize.authority.storage.logout_notices import LogoutNotice
from deputize.authority.storage.store import Store, data_folder, open_store, sqlite_url

__all__ = (
    "AgentFilter",
    "DatabaseMissing",
    "DirectoryConflict",
    "DirectoryRows",
    "EnvironmentRow",
    "IdempotentRequest",
    "InitialAccessToken",
    "Invitation",
    "Kind",
    "LogoutNotice",
    "ObjectRow",
    "Put",
    "Remove",
    "RowChange",
    "SecretRow",
    "SigningKeyRow",
    "Slice",
    "SqlDirectoryRows",
    "StorageError",
    "StorageUnavailable",
    "Store",
    "data_folder",
    "open_store",
    "sqlite_url",
)
