"""Users: who signs on."""

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from deputize.authority.directory.objects.directory_object import DocumentPart, Id
from deputize.oauth.records.settings import Locale, Name

Role: TypeAlias = Literal["administrator", "auditor", "agent_owner"]
"""What a user of the administrators' environment may do, in every environment of the database."""
ADMINISTRATORS: Final = "Administrators"
"""The name of the environment whose users with roles administer the whole database."""
MANAGEMENT: Final = "Management"
"""Its resource for whose tokens the management API works; its scopes are the roles."""


class UserObject(DocumentPart):
    """A user; one without a password cannot sign on by password."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    """What the user signs on with, and what the mapping `Username` yields.

    1 to 128 characters in Unicode's form NFKC, none of them invisible. No two may differ in case only, and
    none may be an id.
    """
    id: Id | None = None
    """Their id; drawn when absent."""
    password: Annotated[str, StringConstraints(min_length=8, max_length=1024)] | None = Field(
        default=None, repr=False
    )
    """Stored as a digest. Better from outside: `&{NAME}`. `null` takes the password away."""
    password_hash: Annotated[str, StringConstraints(pattern=r"^\$argon2id\$[!-~]{1,240}$")] | None = Field(
        default=None, repr=False
    )
    """An Argon2id digest, `$argon2id$…`, instead of the password."""
    must_change_password: bool = False
    """Whether the password is a temporary one: whoever signs on with it chooses another before anything else,
    which also sets this to `false`. Setting it ends the user's sessions and tokens. Applying a file again
    that gives it gives it again.
    """
    enabled: bool = True
    """`false` ends the user's sessions and tokens at once."""
    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    """For mappings."""
    given_name: Name | None = None
    """For mappings."""
    family_name: Name | None = None
    """For mappings."""
    preferred_language: Locale | None = None
    """The language agreements are shown in; else the browser's."""
    attributes: dict[str, Any] | None = None
    """More of the user for mappings, of any shape."""
    roles: tuple[Role, ...] = ()
    """What the user may administer, in the environment `Administrators` only: `administrator` everything;
    `auditor` reads everything; `agent_owner` reads and disables the agents whose `owner` is the username.
    """

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        if self.password is not None and self.password_hash is not None:
            raise ValueError("has both password and password_hash; keep one")
        return self
