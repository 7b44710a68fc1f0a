"""Rows become records by position and records become rows by name, so the two have to agree."""

from dataclasses import fields

import pytest

from deputize.authority.storage.directory_rows import EnvironmentRow, ObjectRow, SecretRow, SigningKeyRow
from deputize.authority.storage.people import USER_COLUMNS
from deputize.authority.storage.tables import (
    CODES,
    CONSENTS,
    DIRECTORY_OBJECTS,
    ENVIRONMENTS,
    GRANTS,
    METADATA,
    REFRESH_TOKENS,
    SECRETS,
    SESSIONS,
    SIGNING_KEYS,
    USERS,
)
from deputize.oauth.records.store import (
    Authentication,
    AuthorizationCode,
    Consent,
    Grant,
    RefreshToken,
    Session,
    User,
)

IN_ORDER = [
    (Session, SESSIONS),
    (Consent, CONSENTS),
    (EnvironmentRow, ENVIRONMENTS),
    (ObjectRow, DIRECTORY_OBJECTS),
    (SecretRow, SECRETS),
    (SigningKeyRow, SIGNING_KEYS),
]


@pytest.mark.parametrize(("record", "table"), IN_ORDER, ids=lambda each: getattr(each, "__name__", ""))
def test_columns_are_the_records_fields_in_their_order(record, table):
    assert [column.name for column in table.c] == [field.name for field in fields(record)]


def test_users_have_one_column_more_for_comparing_their_names():
    names = [column.name for column in USERS.c]
    assert [column.name for column in USER_COLUMNS] == [field.name for field in fields(User)]
    assert set(names) - {field.name for field in fields(User)} == {"username_form"}


@pytest.mark.parametrize(
    ("record", "table", "own"),
    [
        (AuthorizationCode, CODES, {"redeemed_at"}),
        (Grant, GRANTS, set()),
        (RefreshToken, REFRESH_TOKENS, {"environment_id", "client_id"}),
    ],
)
def test_grants_keep_every_field_of_their_records(record, table, own):
    names = {field.name for field in fields(record)} | own
    if "authentication" in names:
        names = names - {"authentication"} | {field.name for field in fields(Authentication)}
    assert {column.name for column in table.c} == names


def test_no_column_is_wide_enough_for_a_bearer_value_in_the_clear():
    names = {column.name for table in METADATA.sorted_tables for column in table.c}
    assert not names & {"secret", "token", "access_token", "refresh_token", "password", "code", "cookie"}
